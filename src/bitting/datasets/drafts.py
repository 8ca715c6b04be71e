"""From a request to a schema: which parts keep their identity, and everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import RESERVED_NAMES, Catalogue, Dataset, Property, PropertyType, State
from bitting.core.wording import said

MAX_DATASETS = 200
MAX_INDEXED = 40
MAX_USER_PROPERTIES = 20

UNUSABLE_NAMES = RESERVED_NAMES | {"any", "all", "not"}
_HAS_A_MEANING = said("this name has a meaning of its own in filters")
# Types whose values are too many or too long to be looked up one by one.
_UNINDEXABLE = said("a property with several values can't be indexed")


def draft_states(given: list[dict[str, Any]], standing: Dataset | None) -> tuple[State, ...]:
    """The states as asked for; an id of 0 marks a new one.

    Raises:
        InvalidInput: a name or id given twice, or an id that is no state of the dataset.
    """
    known = {} if standing is None else standing.states_by_id
    flaws = list(_part_flaws("states", given, known))
    if flaws:
        raise InvalidInput(flaws)
    return tuple(State(item.get("id") or 0, item["name"], item.get("title") or item["name"]) for item in given)


def draft_properties(
    given: list[dict[str, Any]], standing: Dataset | None, catalogue: Catalogue, own_name: str
) -> tuple[Property, ...]:
    """The properties as asked for; an id of 0 marks a new one.

    Args:
        given: as on the wire.
        standing: the dataset as it stands, if it does.
        catalogue: where links may lead.
        own_name: the dataset's own name; a new one links to itself by links_to 0.

    Raises:
        InvalidInput: with every flaw.
    """
    known = {} if standing is None else standing.properties_by_id
    flaws = list(_part_flaws("properties", given, known))
    drafts = []
    for index, item in enumerate(given):
        links_to, reason = _link(item, catalogue, standing, own_name)
        draft = _property(item, links_to)
        found = [reason] if reason else list(_property_flaws(draft, known.get(draft.id)))
        flaws += [Flaw(f"properties.{index}.{flaw.path}", flaw.reason) for flaw in found]
        drafts.append(draft)
    if flaws:
        raise InvalidInput(flaws)
    return tuple(drafts)


# --- attached datasets ---------------------------------------------------------------------------

_ATTACH_ANEW = said(
    "is read from the table as it was attached: delete the dataset (the table stays) and attach it anew"
)


def draft_attached_states(given: list[dict[str, Any]], standing: Dataset) -> tuple[State, ...]:
    """The states of an attached dataset as asked for: renamed, in another order, or left out.

    Raises:
        InvalidInput: with every flaw.
    """
    flaws = [*_part_flaws("states", given, standing.states_by_id), *_new_part_flaws("states", given)]
    if flaws:
        raise InvalidInput(flaws)
    return tuple(
        replace(standing.states_by_id[item["id"]], name=item["name"], title=item.get("title") or item["name"])
        for item in given
    )


def draft_attached_properties(given: list[dict[str, Any]], standing: Dataset) -> tuple[Property, ...]:
    """The properties of an attached dataset as asked for: renamed, in another order, or left out.

    Raises:
        InvalidInput: with every flaw; nothing else about them changes.
    """
    known = standing.properties_by_id
    flaws = [*_part_flaws("properties", given, known), *_new_part_flaws("properties", given)]
    for index, item in enumerate(given):
        was = known.get(item.get("id") or 0)
        if item["name"] in UNUSABLE_NAMES:
            flaws.append(Flaw(f"properties.{index}.name", _HAS_A_MEANING))
        if was is not None:
            fixed = {"type": was.type.value, "required": was.required, "plural": was.plural, "indexed": was.indexed,
                     "options": list(was.options), "dataset": None}  # fmt: skip
            changed = (name for name, value in fixed.items() if name in item and item[name] != value)
            flaws += [Flaw(f"properties.{index}.{name}", _ATTACH_ANEW) for name in changed]
    if flaws:
        raise InvalidInput(flaws)
    return tuple(
        replace(known[item["id"]], name=item["name"], title=item.get("title") or item["name"]) for item in given
    )


def _new_part_flaws(path: str, given: list[dict[str, Any]]) -> Iterator[Flaw]:
    for index, item in enumerate(given):
        if not item.get("id"):
            yield Flaw(f"{path}.{index}.id", said("required: a new one %(attach)s", attach=_ATTACH_ANEW))


# --- the parts -----------------------------------------------------------------------------------


def _property(item: Mapping[str, Any], links_to: int | None) -> Property:
    return Property(
        id=item.get("id") or 0,
        name=item["name"],
        title=item.get("title") or item["name"],
        type=PropertyType(item["type"]),
        required=item.get("required", False),
        plural=item.get("plural", False),
        indexed=item.get("indexed", False),
        options=tuple(item.get("options", ())),
        links_to=links_to,
    )


def _link(
    item: Mapping[str, Any], catalogue: Catalogue, standing: Dataset | None, own_name: str
) -> tuple[int | None, Flaw | None]:
    name = item.get("dataset")
    if item["type"] != PropertyType.RECORD:
        return None, Flaw("dataset", "only a record link names a dataset") if name is not None else None
    if name is None:
        kept = None if standing is None else standing.properties_by_id.get(item.get("id") or 0)
        if kept is not None and kept.links_to is not None and kept.links_to not in catalogue.by_id:
            return kept.links_to, None  # it was answered without a name: gone, or not the caller's to see
        return None, Flaw("dataset", "required: where does the link lead?")
    if name == own_name:
        return 0 if standing is None else standing.id, None
    target = catalogue.by_name.get(name)
    if target is None:
        return None, Flaw("dataset", "no such dataset")
    if target.source is not None:
        return None, Flaw("dataset", "is attached: a link leads to records that Bitting keeps")
    return target.id, None


def check_amount(properties: tuple[Property, ...], others: Iterable[Dataset]) -> None:
    """Holds the number of indexes and of user properties to what a table and a query can take.

    Args:
        properties: the dataset's, as they would be.
        others: the workspace's other datasets: all records stand in one table, and share its indexes.

    Raises:
        InvalidInput: naming the limit.
    """
    indexed = sum(prop.indexed for prop in properties)
    elsewhere = sum(prop.indexed for dataset in others for prop in dataset.properties)
    if indexed and indexed + elsewhere > MAX_INDEXED:
        raise InvalidInput.at(
            "properties", said("a workspace has at most %(most)d indexed properties", most=MAX_INDEXED)
        )
    if sum(prop.type is PropertyType.USER for prop in properties) > MAX_USER_PROPERTIES:
        reason = said("a dataset has at most %(most)d properties of type user", most=MAX_USER_PROPERTIES)
        raise InvalidInput.at("properties", reason)


def _part_flaws(path: str, given: list[dict[str, Any]], known: Mapping[int, object]) -> Iterator[Flaw]:
    checks: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
        ("name", lambda item: item["name"]),
        ("id", lambda item: item.get("id")),
    )
    for field, value_of in checks:
        values = [value_of(item) for item in given]
        for index, value in enumerate(values):
            if value is not None and value in values[:index]:
                yield Flaw(f"{path}.{index}.{field}", "given twice")
    for index, item in enumerate(given):
        if item.get("id") and item["id"] not in known:
            yield Flaw(f"{path}.{index}.id", "no such id in this dataset: leave it out to add a new one")


def _property_flaws(draft: Property, standing: Property | None) -> Iterator[Flaw]:
    if draft.name in UNUSABLE_NAMES:
        yield Flaw("name", _HAS_A_MEANING)
    if draft.plural and draft.indexed:
        yield Flaw("indexed", _UNINDEXABLE)
    if draft.type is PropertyType.CHOICE and not draft.options:
        yield Flaw("options", "a choice has at least one option")
    if draft.type is not PropertyType.CHOICE and draft.options:
        yield Flaw("options", "only a choice has options")
    if len(set(draft.options)) < len(draft.options):
        yield Flaw("options", "an option is given twice")
    if standing is not None:
        for field, changed in (
            ("type", draft.type is not standing.type),
            ("plural", draft.plural != standing.plural),
            ("dataset", draft.links_to != standing.links_to),
        ):
            if changed:
                yield Flaw(field, "never changes: add a new property instead")
