"""Data access read back from what a verification answered: the inverse of `data_access.write_access`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bitting.core.conditions import parse_condition
from bitting.core.data_access import ALWAYS, NEVER, WITH_CELLS, WITH_ROWS, DataAccess, DataAction, Extent
from bitting.core.predicates import FALSE, AskingUser, Comparison, Predicate, leaves
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.rights import Creation
from bitting.core.schema import RESERVED_NAMES, Dataset, Property, PropertyType, State

# All grants of a role together say more than one of them may (see conditions.language).
_DEPTH, _PARTS = 64, 1_000_000


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
        if access.action in WITH_ROWS:
            access = replace(access, rows=self._condition(self.given["where"], dataset, "where"))
        if access.action in WITH_CELLS:
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
