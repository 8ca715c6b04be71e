"""Data access as a value that travels: what a principal may do with the records of a dataset, written with names.

A service that keeps records of its own asks, with a key that was sent to it, what that key may reach in a dataset; the
answer is this, and it is enforced over there (docs/verify-data.md has the form). The rules are those of Reach, with two
differences: who asks is settled, so that nothing is left to be known but the record and the time, and everything is
named, so that whoever reads it needs no schema but what comes along.

How: the user's id is put into the grants first (`settle`). What is left are roles that say the same to everybody, which
may be combined with somebody else's. Their predicates are written in the language of conditions; read back, they are
predicates over a dataset made of the names and types that came along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from bitting.core.conditions import parse_condition, write_condition
from bitting.core.predicates import (
    FALSE,
    TRUE,
    All,
    AnyOf,
    AskingUser,
    Assigned,
    Comparison,
    Negation,
    Predicate,
    Unbound,
    all_of,
    any_of,
    leaves,
    negation,
)
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.reach import Creation, Reach, Rule
from bitting.core.roles import EVERYTHING, Grant, RecordAction, Role
from bitting.core.schema import RESERVED_NAMES, Dataset, Property, PropertyType, State

ALWAYS: Literal["always"] = "always"
NEVER: Literal["never"] = "never"

# All grants of a role together say more than one of them may (see conditions.language).
_DEPTH, _PARTS = 64, 1_000_000
_NO_DATASET = Dataset(0, "", "", (), ())


class DataAction(StrEnum):
    """What may be asked about."""

    READ = "read"
    CREATE = "create"
    EDIT = "edit"
    CHANGE_STATE = "changeState"
    ARCHIVE = "archive"
    DELETE = "delete"


class Extent(StrEnum):
    """How far access goes; everything and nothing need no dataset to say so."""

    ALL = "always"
    PART = "part"
    NONE = "never"


@dataclass(frozen=True, eq=False)
class DataAccess:
    """What a principal may do with the records of a dataset; each reading is one of its own.

    `dataset` has the properties and states that the rest speaks of. `rows`: on which records the action is allowed (to
    read: which exist). `cells`, by property id: to read, when the cell is shown in a record that exists, and properties
    that aren't here never are; to edit, when it may be set, before the change and after it. `creations`: one must cover
    a new record whole. `moves`, by state id: which records may be moved there.
    """

    extent: Extent
    dataset: Dataset = _NO_DATASET
    action: DataAction = DataAction.READ
    rows: Predicate = TRUE
    cells: Mapping[int, Predicate] = field(default_factory=dict)
    creations: tuple[Creation, ...] = ()
    moves: Mapping[int, Predicate] = field(default_factory=dict)


# --- who asks is settled -------------------------------------------------------------------------


def settle(roles: Iterable[Role], dataset: Dataset, user_id: str | None) -> tuple[Role, ...]:
    """Roles that say to everybody what these say to a user, over one dataset.

    Without a user they stay as they are: to nobody's key they give nothing wherever they ask for one.
    """
    if user_id is None:
        return tuple(roles)
    return tuple(
        replace(role, grants=tuple(_settled(grant, dataset, user_id) for grant in role.grants)) for role in roles
    )


def _settled(grant: Grant, dataset: Dataset, user_id: str) -> Grant:
    if grant.dataset != dataset.id:
        return grant
    where = TRUE if grant.where is None else _with_user(grant.where, user_id)
    if grant.assigned_only:
        people = (prop.id for prop in dataset.properties if prop.type is PropertyType.USER)
        author = Comparison("author", "eq", (user_id,), raw=True)
        where = all_of([where, any_of([author, *(Unbound(prop, "eq", (user_id,)) for prop in people)])])
    return replace(grant, where=None if where == TRUE else where, assigned_only=False)


def _with_user(predicate: Predicate, user_id: str) -> Predicate:
    match predicate:
        case All(parts):
            return all_of(_with_user(part, user_id) for part in parts)
        case AnyOf(parts):
            return any_of(_with_user(part, user_id) for part in parts)
        case Negation(part):
            return negation(_with_user(part, user_id))
        case Comparison(operands=operands) | Unbound(operands=operands) if AskingUser() in operands:
            known = tuple(user_id if operand == AskingUser() else operand for operand in operands)
            return replace(predicate, operands=known)
        case Assigned():
            raise TypeError("a grant says apart that it is for assigned records")
    return predicate


# --- written -------------------------------------------------------------------------------------


def write_access(
    reach: Reach, action: DataAction, user_id: str | None = None, *, unseen: frozenset[int] = frozenset()
) -> dict[str, Any] | Literal["always", "never"]:
    """What a principal may do with the records of a dataset, as JSON.

    Args:
        reach: what its roles open in the dataset.
        action: what is to be done.
        user_id: the principal's user; None for a key that belongs to nobody.
        unseen: ids of link properties that may lead to records that the principal can't see. Whether one does can't be
            told by a record alone, so these are not shown.

    Raises:
        InvalidInput: two roles combine to too many ways to create (MAX_CREATIONS).
    """
    roles = settle(reach.bound, reach.dataset, user_id)
    settled = Reach.of(reach.dataset, roles, has_user=False)
    if _is_always(settled, action) and not (action is DataAction.READ and unseen):
        return ALWAYS
    access = _access(settled, action, unseen)
    return NEVER if access is None else _written(access)


def _is_always(reach: Reach, action: DataAction) -> bool:
    """Whether it holds for all records, those in states and with properties that are added later included."""
    if action is DataAction.CREATE:
        return reach.holds_whole(lambda rule: RecordAction.CREATE in rule.grant.record and _whole_edit(rule))
    return reach.holds_whole(lambda rule: rule.grant.view == EVERYTHING) and reach.holds_whole(_WHOLE[action])


def _whole_edit(rule: Rule) -> bool:
    return rule.grant.edit == EVERYTHING


_WHOLE: dict[DataAction, Callable[[Rule], bool]] = {
    DataAction.READ: lambda rule: rule.grant.view == EVERYTHING,
    DataAction.EDIT: _whole_edit,
    DataAction.CHANGE_STATE: lambda rule: (
        RecordAction.CHANGE_STATE in rule.grant.record and rule.grant.to == EVERYTHING
    ),
    DataAction.ARCHIVE: lambda rule: RecordAction.ARCHIVE in rule.grant.record,
    DataAction.DELETE: lambda rule: RecordAction.DELETE in rule.grant.record,
}


def _access(reach: Reach, action: DataAction, unseen: frozenset[int]) -> DataAccess | None:
    """The access in part; None when there is none."""
    access = DataAccess(Extent.PART, reach.dataset, action)
    match action:
        case DataAction.READ:
            cells = {prop: shown for prop in _properties(reach) if (shown := reach.shown_predicate(prop)) != FALSE}
            seen = {prop: shown for prop, shown in cells.items() if prop not in unseen}
            return replace(access, rows=reach.row_predicate(), cells=seen) if cells else None
        case DataAction.EDIT:
            cells = {prop: when for prop in _properties(reach) if (when := reach.edit_predicate(prop)) != FALSE}
            return replace(access, rows=reach.row_predicate(), cells=cells) if cells else None
        case DataAction.CREATE:
            creations = tuple(reach.creations())
            return replace(access, creations=creations) if creations else None
        case DataAction.CHANGE_STATE:
            targets = reach.dataset.states_by_id
            moves = {target: when for target in targets if (when := reach.move_predicate(target)) != FALSE}
            return replace(access, moves=moves) if moves else None
    rows = reach.action_predicate(RecordAction(action))
    return None if rows == FALSE else replace(access, rows=rows)


def _properties(reach: Reach) -> Iterable[int]:
    return reach.dataset.properties_by_id


def _written(access: DataAccess) -> dict[str, Any]:
    dataset, states = access.dataset, access.dataset.states_by_id
    names = {prop.id: prop.name for prop in dataset.properties}

    def written(predicate: Predicate) -> dict[str, Any]:
        return write_condition(predicate, dataset)

    said: dict[str, Any] = {"dataset": dataset.name, "action": access.action.value}
    if access.action in _WITH_ROWS:
        said["where"] = written(access.rows)
    if access.action in _WITH_CELLS:
        said["properties"] = {names[prop]: written(when) for prop, when in access.cells.items()}
    if access.action is DataAction.CREATE:
        said["grants"] = [
            {"where": written(way.when), "properties": [name for prop, name in names.items() if prop in way.edit]}
            for way in access.creations
        ]
    if access.action is DataAction.CHANGE_STATE:
        said["to"] = {states[target].name: written(when) for target, when in access.moves.items()}
    occurring = _occurring(access)
    said["types"] = {prop.name: type_name(prop) for prop in dataset.properties if prop.id in occurring}
    said["states"] = [state.name for state in dataset.states]
    return said


_WITH_CELLS = frozenset({DataAction.READ, DataAction.EDIT})
_WITH_ROWS = _WITH_CELLS | {DataAction.ARCHIVE, DataAction.DELETE}


def _occurring(access: DataAccess) -> set[int]:
    """The properties that an access speaks of."""
    found = {*access.cells, *(prop for way in access.creations for prop in way.edit)}
    predicates = [access.rows, *access.cells.values(), *access.moves.values(), *(way.when for way in access.creations)]
    for predicate in dict.fromkeys(predicates):
        for leaf in leaves(predicate):
            if isinstance(leaf, Comparison) and isinstance(leaf.field, Property):
                found.add(leaf.field.id)
    return found


def type_name(prop: Property) -> str:
    """A property's type as it is written: `text`, or `text[]` for one with several values."""
    return f"{prop.type.value}{'[]' if prop.plural else ''}"


# --- read ----------------------------------------------------------------------------------------


def read_access(given: object) -> DataAccess:
    """Read what `write_access` wrote, as a verification answers it under `data`.

    Raises:
        InvalidInput: with every flaw and its path; nothing unknown is ever ignored, since it could be a restriction.
    """
    if given == ALWAYS:
        return DataAccess(Extent.ALL)
    if given == NEVER:
        return DataAccess(Extent.NONE, rows=FALSE)
    if not isinstance(given, Mapping):
        raise InvalidInput.at("data", 'must be "always", "never" or an object')
    return _AccessReader(given).access()


def _types() -> dict[str, tuple[PropertyType, bool]]:
    # The options of a choice aren't written: its literals are read as texts.
    kinds = {kind.value: PropertyType.TEXT if kind is PropertyType.CHOICE else kind for kind in PropertyType}
    return {
        f"{name}{'[]' if plural else ''}": (kind, plural) for name, kind in kinds.items() for plural in (False, True)
    }


_TYPES = _types()
_UNNAMEABLE = RESERVED_NAMES | {"any", "all", "not"}
_FIELDS: dict[DataAction, tuple[str, ...]] = {
    DataAction.READ: ("where", "properties"),
    DataAction.EDIT: ("where", "properties"),
    DataAction.CREATE: ("grants",),
    DataAction.CHANGE_STATE: ("to",),
    DataAction.ARCHIVE: ("where",),
    DataAction.DELETE: ("where",),
}


class _AccessReader:
    """One reading; collects flaws, so that one error names them all."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.flaws: list[Flaw] = []

    def access(self) -> DataAccess:
        action = self._action()
        self._fields(action)
        dataset = Dataset(1, self._name(), "", self._states(), self._properties())
        self._end()  # what follows names states and properties
        access = self._parts(DataAccess(Extent.PART, dataset, action))
        self._end()
        return access

    def _end(self) -> None:
        if self.flaws:
            raise InvalidInput(self.flaws)

    def _flaw(self, path: str, reason: str) -> None:
        self.flaws.append(Flaw(path, reason))

    def _action(self) -> DataAction:
        given = self.given.get("action")
        if given not in tuple(DataAction):
            raise InvalidInput.at("action", f"must be one of {', '.join(DataAction)}")
        return DataAction(given)

    def _fields(self, action: DataAction) -> None:
        wanted = ("dataset", "action", *_FIELDS[action], "types", "states")
        self.flaws += [Flaw(str(name), "unknown field") for name in self.given if name not in wanted]
        self.flaws += [Flaw(name, "required") for name in wanted if name not in self.given]
        self._end()

    def _name(self) -> str:
        name = self.given["dataset"]
        if not isinstance(name, str):
            self._flaw("dataset", "must be a text")
        return str(name)

    def _states(self) -> tuple[State, ...]:
        names = self.given["states"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._flaw("states", "must be a list of names")
            return ()
        if len(set(names)) < len(names):
            self._flaw("states", "must name each state once")
        return tuple(State(place, name, name) for place, name in enumerate(names, 1))

    def _properties(self) -> tuple[Property, ...]:
        types = self.given["types"]
        if not isinstance(types, Mapping):
            self._flaw("types", "must be an object of types by name")
            return ()
        found = []
        for place, (name, kind) in enumerate(types.items(), 1):
            if name in _UNNAMEABLE:
                self._flaw(f"types.{name}", "is no name of a property")
            elif not isinstance(kind, str) or kind not in _TYPES:
                self._flaw(f"types.{name}", f"must be one of {', '.join(_TYPES)}")
            else:
                read, plural = _TYPES[kind]
                found.append(Property(place, name, name, read, plural=plural))
        return tuple(found)

    def _parts(self, access: DataAccess) -> DataAccess:
        dataset = access.dataset
        if access.action in _WITH_ROWS:
            access = replace(access, rows=self._condition(self.given["where"], dataset, "where"))
        if access.action in _WITH_CELLS:
            properties = {name: prop.id for name, prop in dataset.properties_by_name.items()}
            return replace(access, cells=self._conditions("properties", properties, dataset))
        if access.action is DataAction.CHANGE_STATE:
            states = {name: state.id for name, state in dataset.states_by_name.items()}
            return replace(access, moves=self._conditions("to", states, dataset))
        if access.action is DataAction.CREATE:
            return replace(access, creations=self._creations(dataset))
        return access

    def _condition(self, given: object, dataset: Dataset, path: str) -> Predicate:
        try:
            predicate = parse_condition(given, dataset, path, max_depth=_DEPTH, max_parts=_PARTS)
        except InvalidInput as invalid:
            self.flaws += invalid.flaws
            return FALSE
        asks = (leaf for leaf in leaves(predicate) if isinstance(leaf, Comparison) and AskingUser() in leaf.operands)
        if any(asks):
            self._flaw(path, "must not ask for $user: an access is one user's already")
        return predicate

    def _conditions(self, name: str, ids: Mapping[str, int], dataset: Dataset) -> dict[int, Predicate]:
        """Conditions by the names of properties or states, by their ids."""
        given = self.given[name]
        if not isinstance(given, Mapping):
            self._flaw(name, "must be an object of conditions by name")
            return {}
        self.flaws += [Flaw(f"{name}.{key}", _UNNAMED) for key in given if key not in ids]
        return {
            ids[key]: self._condition(condition, dataset, f"{name}.{key}")
            for key, condition in given.items()
            if key in ids
        }

    def _creations(self, dataset: Dataset) -> tuple[Creation, ...]:
        grants = self.given["grants"]
        if not isinstance(grants, list):
            self._flaw("grants", "must be a list of grants")
            return ()
        return tuple(self._creation(grant, dataset, f"grants.{place}") for place, grant in enumerate(grants))

    def _creation(self, given: object, dataset: Dataset, path: str) -> Creation:
        if not isinstance(given, Mapping) or given.keys() != {"where", "properties"}:
            self._flaw(path, "must be an object of where and properties")
            return Creation(FALSE, frozenset())
        when = self._condition(given["where"], dataset, f"{path}.where")
        names = given["properties"]
        if not isinstance(names, list):
            self._flaw(f"{path}.properties", "must be a list of names")
            return Creation(FALSE, frozenset())
        known = dataset.properties_by_name
        strange = [name for name in names if not isinstance(name, str) or name not in known]
        self.flaws += [Flaw(f"{path}.properties.{name}", _UNNAMED) for name in strange]
        return Creation(when, frozenset(known[name].id for name in names if name not in strange))


_UNNAMED = "is not among the types or states that came along"
