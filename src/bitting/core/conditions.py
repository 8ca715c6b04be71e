"""The language of filters: from JSON to a predicate over one record, and the `sort` of a list (DESIGN §4).

A filter is an object whose members are and-ed: `{"total": {"lt": 1000}, "region": "west"}`. A member is a property or a
reserved name, with a literal (equals) or an object of operators (all must hold); or `any` and `all` with a list of
such objects, or `not` with one. As in logic, `{}` and an empty `all` hold always, an empty `any` and `in: []` never.

How: one walk over the object. Each part becomes a predicate, or a flaw with its path and FALSE in its place, so that
one answer names everything that is wrong. A name that the caller may not filter by takes the very way of an unknown
name before anything below it is looked at: nothing in the answer can tell the two apart.

Which operators a field takes follows from its type. Order is for what has one (text by code point, numbers, dates);
booleans, choices, users, records, ids and states are only equal or not. `contains` and `startsWith` are for text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bitting.core.jsontext import path_label
from bitting.core.predicates import FALSE, Comparison, Constant, Negation, Predicate, StateIn, all_of, any_of
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import RESERVED_NAMES, Dataset, Property, PropertyType
from bitting.core.values import parse_literal

MAX_DEPTH = 8
MAX_PARTS = 100
MAX_LIST = 1000
MAX_FLAWS = 100

EQUALITY = ("eq", "ne", "in", "notIn")
ORDER = ("lt", "lte", "gt", "gte")
SEARCH = ("contains", "startsWith")
OPERATORS = (*EQUALITY, *ORDER, *SEARCH, "isNull")

_PLAIN = frozenset({*EQUALITY, "isNull"})
_ORDERED = _PLAIN | frozenset(ORDER)
_TAKES: dict[PropertyType, frozenset[str]] = {
    PropertyType.TEXT: _ORDERED | frozenset(SEARCH),
    PropertyType.INTEGER: _ORDERED,
    PropertyType.NUMBER: _ORDERED,
    PropertyType.BOOLEAN: _PLAIN,
    PropertyType.DATE: _ORDERED,
    PropertyType.DATETIME: _ORDERED,
    PropertyType.CHOICE: _PLAIN,
    PropertyType.USER: _PLAIN,
    PropertyType.RECORD: _PLAIN,
}

# How the literals of reserved names are read; `state` is apart, its literals are names of states.
_RESERVED_TYPES: dict[str, PropertyType] = {
    "id": PropertyType.RECORD,
    "author": PropertyType.USER,
    "createdAt": PropertyType.DATETIME,
    "updatedAt": PropertyType.DATETIME,
}

_UNKNOWN_NAME = "no such property"
_UNKNOWN_STATE = "no such state"

Field = Property | str


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of records: by a single-valued property or a reserved name."""

    field: Field
    descending: bool = False


def parse_filter(
    given: object,
    dataset: Dataset,
    known: frozenset[int],
    shown: Callable[[int], Predicate],
    known_states: frozenset[int],
    path: str = "filter",
) -> Predicate:
    """Read a filter.

    given: parsed JSON; dataset: whose properties it names; known: ids of the properties that the caller may filter by,
    any other is unknown; shown: when a property's cell is visible to the caller; known_states: ids of the states that
    the caller may name; path: where the filter stood.
    Raises InvalidInput with every flaw, up to MAX_FLAWS.
    """
    reader = _Reader(dataset, known, shown, known_states)
    predicate = reader.conjunction(given, path, 1)
    if reader.parts > MAX_PARTS:
        reader.flaws.append(Flaw(path, f"must have at most {MAX_PARTS} parts"))
    if reader.flaws:
        raise InvalidInput(reader.flaws[:MAX_FLAWS])
    return predicate


def parse_sort(given: object, dataset: Dataset, known: frozenset[int], path: str = "sort") -> Sort:
    """Read `total` (ascending) or `-total` (descending); `known` as for filters.

    Raises InvalidInput; a property that the caller may not sort by answers as an unknown one.
    """
    if not isinstance(given, str):
        raise InvalidInput.at(path, "must be the name of a property, with - before it to sort downwards")
    field = _field(given.removeprefix("-"), dataset, known)
    if field is None:
        raise InvalidInput.at(path, _UNKNOWN_NAME)
    if isinstance(field, Property) and field.plural:
        raise InvalidInput.at(path, "a property with several values can't be sorted by")
    return Sort(field, given.startswith("-"))


def _field(name: str, dataset: Dataset, known: frozenset[int]) -> Field | None:
    if name in RESERVED_NAMES:
        return name
    prop = dataset.properties_by_name.get(name)
    return prop if prop is not None and prop.id in known else None


class _Reader:
    """One walk over a filter; collects flaws and counts parts."""

    def __init__(
        self,
        dataset: Dataset,
        known: frozenset[int],
        shown: Callable[[int], Predicate],
        known_states: frozenset[int],
    ) -> None:
        self.dataset = dataset
        self.known = known
        self.shown = shown
        self.states = {state.name: state.id for state in dataset.states if state.id in known_states}
        self.flaws: list[Flaw] = []
        self.parts = 0

    # --- and, or, not ---

    def conjunction(self, given: object, path: str, depth: int) -> Predicate:
        """An object: all its members hold."""
        if not isinstance(given, dict):
            return self._flaw(path, "must be an object of conditions")
        if depth > MAX_DEPTH:
            return self._flaw(path, f"must not be nested deeper than {MAX_DEPTH}")
        return all_of([self._member(name, value, path, depth) for name, value in given.items()])

    def _member(self, name: str, given: object, above: str, depth: int) -> Predicate:
        path = f"{above}.{path_label(name)}"
        self.parts += 1
        if self.parts > MAX_PARTS:
            return FALSE
        if name == "any":
            return any_of(self._several(given, path, depth))
        if name == "all":
            return all_of(self._several(given, path, depth))
        if name == "not":
            return negation(self.conjunction(given, path, depth + 1))
        return self._condition(name, given, path)

    def _several(self, given: object, path: str, depth: int) -> list[Predicate]:
        if not isinstance(given, list):
            return [self._flaw(path, "must be a list of conditions")]
        if len(given) > MAX_PARTS:
            return [self._flaw(path, f"must have at most {MAX_PARTS} parts")]
        return [self.conjunction(item, f"{path}.{index}", depth + 1) for index, item in enumerate(given)]

    # --- one property ---

    def _condition(self, name: str, given: object, path: str) -> Predicate:
        field = _field(name, self.dataset, self.known)
        if field is None:
            return self._flaw(path, _UNKNOWN_NAME)
        if isinstance(given, list):
            return self._flaw(path, "must be a value, or an object of operators; for a list of values use in")
        if not isinstance(given, dict) or _is_reference(given):
            return self._operation(field, "eq", given, path)
        if not given:
            return self._flaw(path, f"must have an operator: {', '.join(_operators(field))}")
        self.parts += len(given) - 1
        return all_of([self._operator(field, name, value, path) for name, value in given.items()])

    def _operator(self, field: Field, operator: str, given: object, above: str) -> Predicate:
        path = f"{above}.{path_label(operator)}"
        if operator not in OPERATORS:
            return self._flaw(path, f"no such operator; known are {', '.join(OPERATORS)}")
        if operator not in _operators(field):
            return self._flaw(path, f"not for {_kind(field)}, which takes {', '.join(_operators(field))}")
        if operator == "isNull" and not isinstance(given, bool):
            return self._flaw(path, "must be true or false")
        return self._operation(field, operator, given, path)

    def _operation(self, field: Field, operator: str, given: object, path: str) -> Predicate:
        before = len(self.flaws)
        operands = self._operands(field, operator, given, path)
        if len(self.flaws) > before:
            return FALSE
        if field == "state":
            return _state_predicate(operator, operands)
        shown = self.shown(field.id) if isinstance(field, Property) else Constant(True)
        return Comparison(field, operator, operands, shown)

    def _operands(self, field: Field, operator: str, given: object, path: str) -> tuple[object, ...]:
        if operator == "isNull":
            return (given,)
        if operator not in ("in", "notIn"):
            return (self._literal(field, given, path),)
        if not isinstance(given, list):
            self._flaw(path, "must be a list of values")
            return ()
        if len(given) > MAX_LIST:
            self._flaw(path, f"must have at most {MAX_LIST} values")
            return ()
        return tuple(self._literal(field, item, f"{path}.{index}") for index, item in enumerate(given))

    def _literal(self, field: Field, given: object, path: str) -> object:
        # Here `$user` and `$now` will be read.
        if _is_reference(given):
            return self._flaw(path, "is not available in filters yet: give a plain value")
        try:
            return self._state(given, path) if field == "state" else parse_literal(_as_property(field), given, path)
        except InvalidInput as invalid:
            self.flaws.extend(invalid.flaws)
            return None

    def _state(self, given: object, path: str) -> int:
        if not isinstance(given, str):
            raise InvalidInput.at(path, "must be the name of a state")
        if given not in self.states:
            raise InvalidInput.at(path, _UNKNOWN_STATE)
        return self.states[given]

    def _flaw(self, path: str, reason: str) -> Predicate:
        self.flaws.append(Flaw(path, reason))
        return FALSE


def negation(part: Predicate) -> Predicate:
    """The negation, simplified: constants folded, a double negation dropped."""
    if isinstance(part, Constant):
        return Constant(not part.value)
    return part.part if isinstance(part, Negation) else Negation(part)


def _is_reference(given: object) -> bool:
    """Whether it has the shape of `{"$user": …}` or `{"$now": …}`."""
    return isinstance(given, dict) and any(name.startswith("$") for name in given)


def _state_predicate(operator: str, operands: Iterable[object]) -> Predicate:
    """A state is never missing, so each operator is a set of states or its complement."""
    if operator == "isNull":
        return Constant(operands == (False,))
    states = frozenset(state for state in operands if isinstance(state, int))
    within = StateIn(states) if states else FALSE
    return within if operator in ("eq", "in") else negation(within)


def _operators(field: Field) -> list[str]:
    takes = _PLAIN if field == "state" else _TAKES[_as_property(field).type]
    return [operator for operator in OPERATORS if operator in takes]


def _kind(field: Field) -> str:
    if isinstance(field, str):
        return field
    return f"a property of type {field.type.value}"


def _as_property(field: Field) -> Property:
    """A reserved name as the property whose literals it shares."""
    return field if isinstance(field, Property) else Property(0, field, field, _RESERVED_TYPES[field])
