"""Grants read and written: with names as they are given, and by ids as they are stored.

Grants refer to datasets, states and properties by id, so a rename keeps their meaning and a new thing under an old name
is a new thing; what was deleted matches nothing. The page of a role says so, for nothing is opened by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from bitting.core.conditions import load_condition, parse_condition, store_condition, unbound, write_condition
from bitting.core.conditions.keeping import gone
from bitting.core.predicates import TRUE, Predicate, leaves
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.roles import EVERYTHING, NOTHING, Grant, RecordAction, Selection
from bitting.core.schema import Catalogue, Dataset
from bitting.core.wording import counted, mark, said

MAX_GRANTS = 200
MAX_NAMES = 300  # as many as a dataset has properties at most

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
        raise InvalidInput.at(path, said("at most %(most)d grants", most=MAX_GRANTS))
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
        states=cast("Selection", read("states", lambda given: _selection(given, states, _STATES), NOTHING)),
        where=cast("Predicate | None", read("where", lambda given: _condition(given, dataset), None)),
        assigned_only=cast("bool", read("assignedOnly", _boolean, False)),
        record=cast("frozenset[RecordAction]", read("record", _actions, frozenset())),
        to=cast("Selection", read("to", lambda given: _selection(given, states, _STATES), NOTHING)),
        view=cast("Selection", read("view", lambda given: _selection(given, properties, _PROPERTIES), NOTHING)),
        edit=cast("Selection", read("edit", lambda given: _selection(given, properties, _PROPERTIES), NOTHING)),
    )
    if flaws:
        raise InvalidInput(flaws)
    return grant


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is said of a list of names that isn't right."""

    expected: str
    too_many: str
    unknown: str


_STATES = _Texts(
    said('a list of state names or "*" is expected'), mark("at most %(most)d state names"), said("no such state")
)
_PROPERTIES = _Texts(
    said('a list of property names or "*" is expected'),
    mark("at most %(most)d property names"),
    said("no such property"),
)


def _selection(given: object, ids: Mapping[str, int], texts: _Texts) -> Selection:
    if given == "*":
        return EVERYTHING
    if not isinstance(given, list):
        raise InvalidInput.at("", texts.expected)
    if len(given) > MAX_NAMES:
        raise InvalidInput.at("", said(texts.too_many, most=MAX_NAMES))
    flaws = []
    for index, name in enumerate(given):
        if not isinstance(name, str) or name not in ids:
            flaws.append(Flaw(str(index), texts.unknown))
        elif name in given[:index]:
            flaws.append(Flaw(str(index), "named twice"))
    if flaws:
        raise InvalidInput(flaws)
    return frozenset(ids[name] for name in given)


def _actions(given: object) -> frozenset[RecordAction]:
    allowed: Collection[str] = [action.value for action in RecordAction]
    if not isinstance(given, list):
        raise InvalidInput.at("", said("a list of %(known)s is expected", known=", ".join(allowed)))
    flaws = [
        Flaw(str(index), said("one of %(known)s is expected", known=", ".join(allowed)))
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


def _condition(given: object, dataset: Dataset) -> Predicate | None:
    if given is None:
        return None
    try:
        read = parse_condition(given, dataset, "")
    except InvalidInput as error:
        raise InvalidInput(Flaw(flaw.path.removeprefix("."), flaw.reason) for flaw in error.flaws) from None
    return None if read == TRUE else unbound(read)


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
        "where": None if grant.where is None else write_condition(grant.where, dataset),
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
            "where": None if grant.where is None else store_condition(grant.where),
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
            where=None if item["where"] is None else load_condition(cast("Mapping[str, Any]", item["where"])),
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


# --- what is gone --------------------------------------------------------------------------------

_OPENS_NOTHING = said("names something that was deleted: this grant opens nothing")


def broken_parts(grants: Iterable[Grant], catalogue: Catalogue) -> list[Flaw]:
    """Where grants name what was deleted, each with a path as in the role's own JSON and what follows from it."""
    return [flaw.at(f"grants.{index}") for index, grant in enumerate(grants) for flaw in _broken(grant, catalogue)]


def _broken(grant: Grant, catalogue: Catalogue) -> Iterator[Flaw]:
    dataset = catalogue.by_id.get(grant.dataset)
    if dataset is None:
        yield Flaw("dataset", _OPENS_NOTHING)
        return
    if grant.where is not None and any(gone(leaf, dataset) for leaf in leaves(grant.where)):
        yield Flaw("where", _OPENS_NOTHING)
    for field, selection, standing in (
        ("states", grant.states, dataset.states_by_id),
        ("to", grant.to, dataset.states_by_id),
        ("view", grant.view, dataset.properties_by_id),
        ("edit", grant.edit, dataset.properties_by_id),
    ):
        missing = 0 if selection == EVERYTHING else len(selection - standing.keys())
        if missing:
            reason = counted(
                "names %(num)d that were deleted: nothing opens by it",
                missing,
                one="names %(num)d that was deleted: nothing opens by it",
            )
            yield Flaw(field, reason)
