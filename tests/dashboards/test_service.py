"""Dashboards: merging a change into what stands."""

from dataclasses import replace

import pytest

from bitting.core.problems import InvalidInput
from bitting.dashboards.service import merge
from bitting.store.workspaces import DashboardRow

ROW = DashboardRow("dsh_x", "Sales", [], 1, 2)


def test_what_is_not_given_stays() -> None:
    """A merge changes what it names."""
    assert merge(ROW, {}) == merge(ROW, {"widgets": []}) == ROW
    assert merge(ROW, {"name": "Costs"}) == replace(ROW, name="Costs")


def test_widgets_are_refused_rather_than_lost() -> None:
    """Until there are widgets, nobody may believe to have saved one."""
    with pytest.raises(InvalidInput, match="not available yet"):
        merge(ROW, {"widgets": [{"title": "Leads"}]})
