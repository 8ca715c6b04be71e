"""Roles: what a grant is, how grants are read and written, and when one role covers another.

A role is a list of grants, each over one dataset. Grants refer to datasets, states and properties by
id, so a rename keeps their meaning and a new thing under an old name is a new thing; what was deleted
simply matches nothing. Deny by default: a role opens what a grant names and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, cast

from bitting.core.predicates import Predicate
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import Catalogue, Dataset

MAX_GRANTS = 200
MAX_NAMES = 300  # as many as a dataset has properties at most

Selection = frozenset[int] | Literal["*"]
EVERYTHING: Literal["*"] = "*"
NOTHING: frozenset[int] = frozenset()


class RecordAction(StrEnum):
    """What a grant may allow on a whole record."""

    CREATE = "create"
    CHANGE_STATE = "changeState"
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant of a role, by ids.

    `where` keeps the place of a condition; until conditions arrive it is always None, and a role
    that names one is refused when it is saved.
    """

    dataset: int
    states: Selection
    where: Predicate | None = None
    assigned_only: bool = False
    record: frozenset[RecordAction] = frozenset()
    to: Selection = NOTHING
    view: Selection = NOTHING
    edit: Selection = NOTHING


@dataclass(frozen=True, slots=True)
class Role:
    """A role of a workspace; `id` is counted per workspace and never reused."""

    id: int
    name: str
    grants: tuple[Grant, ...]


def selects(selection: Selection, item: int) -> bool:
    """Whether a selection has an id."""
    return selection == EVERYTHING or item in selection


def chosen(selection: Selection, items: Iterable[int]) -> frozenset[int]:
    """The ids among `items` that a selection has."""
    return frozenset(item for item in items if selects(selection, item))


def within(inner: Selection, outer: Selection) -> bool:
    """Whether a selection lies within another; a list never covers `*` (what is added later is in `*`)."""
    if outer == EVERYTHING:
        return True
    return inner != EVERYTHING and inner <= outer


def _grant_within(inner: Grant, outer: Grant) -> bool:
    return (
        inner.dataset == outer.dataset
        and inner.where == outer.where
        and (inner.assigned_only or not outer.assigned_only)
        and inner.record <= outer.record
        and within(inner.states, outer.states)
        and within(inner.to, outer.to)
        and within(inner.view, outer.view)
        and within(inner.edit, outer.edit)
    )


def covers(outer: Iterable[Grant], inner: Iterable[Grant]) -> bool:
    """Whether each inner grant lies within a single outer one (DESIGN §3, *covers*).

    Sufficient, not necessary: two outer grants that only together hold an inner one do not cover it.
    """
    outer_grants = tuple(outer)
    return all(any(_grant_within(grant, own) for own in outer_grants) for grant in inner)


# --- reading and writing -------------------------------------------------------------------------

_FIELDS = ("dataset", "states", "where", "assignedOnly", "record", "to", "view", "edit")


def parse_grants(given: object, catalogue: Catalogue, path: str = "grants") -> tuple[Grant, ...]:
    """Reads grants that name datasets, states and properties.

    Args:
        given: a list of grant objects, as in DESIGN §6.
        catalogue: the datasets that the author of the role may know of; any other name is unknown.
        path: where the list stands in the body, for errors.

    Raises:
        InvalidInput: with every flaw and its path; nothing unknown is ever ignored.
    """
    if not isinstance(given, list):
        raise InvalidInput.at(path, "a list of grants is expected")
    if len(given) > MAX_GRANTS:
        raise InvalidInput.at(path, f"at most {MAX_GRANTS} grants")
    flaws: list[Flaw] = []
    grants: list[Grant] = []
    for index, item in enumerate(given):
        try:
            grants.append(_parse_grant(item, catalogue))
        except InvalidInput as error:
            flaws.extend(error.under(f"{path}.{index}").flaws)
    if flaws:
        raise InvalidInput(flaws)
    return tuple(grants)


def _parse_grant(given: object, catalogue: Catalogue) -> Grant:
    if not isinstance(given, dict):
        raise InvalidInput.at("", "a grant object is expected")
    fields = cast("dict[str, object]", given)
    flaws = [Flaw(name, "unknown field") for name in fields if name not in _FIELDS]
    flaws += [Flaw(name, "required") for name in ("dataset", "states") if name not in fields]
    if flaws:
        raise InvalidInput(flaws)
    name = fields["dataset"]
    dataset = catalogue.by_name.get(name) if isinstance(name, str) else None
    if dataset is None:
        raise InvalidInput.at("dataset", "no such dataset")
    return _parse_rights(fields, dataset)


def _parse_rights(fields: Mapping[str, object], dataset: Dataset) -> Grant:
    flaws: list[Flaw] = []

    def read(name: str, parse: Callable[[object], object], default: object) -> object:
        try:
            return parse(fields[name]) if name in fields else default
        except InvalidInput as error:
            flaws.extend(error.under(name).flaws)
            return default

    states = {name: state.id for name, state in dataset.states_by_name.items()}
    properties = {name: prop.id for name, prop in dataset.properties_by_name.items()}
    grant = Grant(
        dataset=dataset.id,
        states=cast("Selection", read("states", lambda given: _selection(given, states, "state"), NOTHING)),
        where=cast("None", read("where", _no_condition, None)),
        assigned_only=cast("bool", read("assignedOnly", _boolean, False)),
        record=cast("frozenset[RecordAction]", read("record", _actions, frozenset())),
        to=cast("Selection", read("to", lambda given: _selection(given, states, "state"), NOTHING)),
        view=cast("Selection", read("view", lambda given: _selection(given, properties, "property"), NOTHING)),
        edit=cast("Selection", read("edit", lambda given: _selection(given, properties, "property"), NOTHING)),
    )
    if flaws:
        raise InvalidInput(flaws)
    return grant


def _selection(given: object, ids: Mapping[str, int], noun: str) -> Selection:
    if given == "*":
        return EVERYTHING
    if not isinstance(given, list):
        raise InvalidInput.at("", f'a list of {noun} names or "*" is expected')
    if len(given) > MAX_NAMES:
        raise InvalidInput.at("", f"at most {MAX_NAMES} {noun} names")
    flaws = []
    for index, name in enumerate(given):
        if not isinstance(name, str) or name not in ids:
            flaws.append(Flaw(str(index), f"no such {noun}"))
        elif name in given[:index]:
            flaws.append(Flaw(str(index), "named twice"))
    if flaws:
        raise InvalidInput(flaws)
    return frozenset(ids[name] for name in given)


def _actions(given: object) -> frozenset[RecordAction]:
    allowed: Collection[str] = [action.value for action in RecordAction]
    if not isinstance(given, list):
        raise InvalidInput.at("", f"a list of {', '.join(allowed)} is expected")
    flaws = [
        Flaw(str(index), f"one of {', '.join(allowed)} is expected")
        for index, name in enumerate(given)
        if name not in allowed
    ]
    if flaws:
        raise InvalidInput(flaws)
    return frozenset(RecordAction(name) for name in given)


def _boolean(given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidInput.at("", "true or false is expected")
    return given


def _no_condition(given: object) -> None:
    if given is not None:
        raise InvalidInput.at("", "conditions in roles are not available yet: leave this out or null")


def name_grants(grants: Iterable[Grant], catalogue: Catalogue) -> list[dict[str, object]]:
    """Writes grants with names, as they are given; what the catalogue no longer has is left out.

    A grant whose dataset is gone is left out whole.
    """
    return [_name_grant(grant, catalogue.by_id[grant.dataset]) for grant in grants if grant.dataset in catalogue.by_id]


def _name_grant(grant: Grant, dataset: Dataset) -> dict[str, object]:
    states = {state.id: state.name for state in dataset.states}
    properties = {prop.id: prop.name for prop in dataset.properties}
    return {
        "dataset": dataset.name,
        "states": _names(grant.states, states),
        "where": None,
        "assignedOnly": grant.assigned_only,
        "record": [action.value for action in RecordAction if action in grant.record],
        "to": _names(grant.to, states),
        "view": _names(grant.view, properties),
        "edit": _names(grant.edit, properties),
    }


def _names(selection: Selection, names: Mapping[int, str]) -> object:
    if selection == EVERYTHING:
        return EVERYTHING
    return [name for item, name in names.items() if item in selection]


def store_grants(grants: Iterable[Grant]) -> list[dict[str, object]]:
    """The stored form of grants: the same fields, by ids."""
    return [
        {
            "dataset": grant.dataset,
            "states": _stored(grant.states),
            "where": None,
            "assignedOnly": grant.assigned_only,
            "record": sorted(grant.record),
            "to": _stored(grant.to),
            "view": _stored(grant.view),
            "edit": _stored(grant.edit),
        }
        for grant in grants
    ]


def _stored(selection: Selection) -> object:
    return EVERYTHING if selection == EVERYTHING else sorted(selection)


def load_grants(stored: Iterable[Mapping[str, object]]) -> tuple[Grant, ...]:
    """Reads the stored form back."""
    return tuple(
        Grant(
            dataset=cast("int", item["dataset"]),
            states=_loaded(item["states"]),
            assigned_only=cast("bool", item["assignedOnly"]),
            record=frozenset(RecordAction(name) for name in cast("list[str]", item["record"])),
            to=_loaded(item["to"]),
            view=_loaded(item["view"]),
            edit=_loaded(item["edit"]),
        )
        for item in stored
    )


def _loaded(stored: object) -> Selection:
    return EVERYTHING if stored == EVERYTHING else frozenset(cast("list[int]", stored))
