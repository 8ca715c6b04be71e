"""Dashboards: merging a change into what stands."""

from dataclasses import replace

import pytest

from bitting.core.predicates import Asking
from bitting.core.problems import InvalidInput
from bitting.core.schema import Catalogue, Dataset, State
from bitting.dashboards.service import Viewer, merge
from bitting.store.records import scopes_of
from bitting.store.workspaces import DashboardRow

ORDERS = Dataset(1, "orders", "", (State(11, "new", ""),), ())
SCOPES = scopes_of(Catalogue.of([ORDERS]), [], Asking())
COUNT = {"title": "Orders", "dataset": "orders", "kind": "count"}
ROW = DashboardRow("dsh_x", "Sales", [{"title": "Orders", "dataset": 1, "kind": "count"}], 1, 2)


def test_what_is_not_given_stays() -> None:
    """A merge changes what it names."""
    assert merge(ROW, {}, SCOPES) == merge(ROW, {"widgets": [COUNT]}, SCOPES) == ROW
    assert merge(ROW, {"name": "Costs"}, SCOPES) == replace(ROW, name="Costs")


def test_widgets_are_replaced_whole() -> None:
    """As every list of a merge patch (RFC 7396)."""
    assert merge(ROW, {"widgets": []}, SCOPES).widgets == []
    other = merge(ROW, {"widgets": [{**COUNT, "title": "Other"}]}, SCOPES)
    assert [widget["title"] for widget in other.widgets] == ["Other"]


def test_flawed_widgets_are_refused_rather_than_lost() -> None:
    """Nobody may believe to have saved one that names nothing."""
    with pytest.raises(InvalidInput, match="no such dataset"):
        merge(ROW, {"widgets": [{**COUNT, "dataset": "sesame"}]}, SCOPES)


def test_who_is_bound_sees_what_exists_for_them() -> None:
    """A widget over a dataset that is gone is nothing to them; to the others it is a widget with a problem."""
    gone = replace(ROW, widgets=[*ROW.widgets, {"title": "Gone", "dataset": 9, "kind": "count"}])
    free, bound = Viewer(SCOPES, bound=False), Viewer(SCOPES, bound=True)
    assert (len(free.shown(gone)), free.sees_all(gone)) == (2, True)
    assert (len(bound.shown(gone)), bound.sees_all(gone)) == (1, False)
