"""Conditions and filters: from JSON to a predicate over one record, and the `sort` of a list (DESIGN §4).

A condition is an object whose members are and-ed: `{"total": {"lt": 1000}, "region": "west"}`. A member is a property
or a reserved name, with a literal (equals) or an object of operators (all must hold); or `any` and `all` with a list of
such objects, or `not` with one. As in logic, `{}` and an empty `all` hold always, an empty `any` and `in: []` never.

How: one walk over the object. Each part becomes a predicate, or a flaw with its path and FALSE in its place, so that
one answer names everything that is wrong. A name that the caller may not filter by takes the very way of an unknown
name before anything below it is looked at: nothing in the answer can tell the two apart.

A filter is the caller's, and looks through the caller's eyes: a hidden cell is a missing one. A role's condition is the
same language and judges the record as it is stored, since it decides what is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bitting.core.conditions.language import (
    MAX_DEPTH,
    MAX_FLAWS,
    MAX_LIST,
    MAX_PARTS,
    OPERATORS,
    Field,
    as_property,
    operators,
    parse_span,
)
from bitting.core.jsontext import path_label
from bitting.core.predicates import (
    FALSE,
    TRUE,
    AskingUser,
    Comparison,
    Constant,
    Moment,
    Predicate,
    StateIn,
    all_of,
    any_of,
    negation,
)
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import RESERVED_NAMES, Dataset, Property, PropertyType
from bitting.core.values import parse_literal
from bitting.core.wording import said

_UNKNOWN_NAME = said("no such property")
_UNKNOWN_STATE = said("no such state")

# Ids of an attached table are its own, whatever they look like.
_FOREIGN_ID = Property(0, "id", "id", PropertyType.TEXT)


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
    *,
    has_user: bool = True,
) -> Predicate:
    """Read a filter.

    given: parsed JSON; dataset: whose properties it names; known: ids of the properties that the caller may filter by,
    any other is unknown; shown: when a property's cell is visible to the caller; known_states: ids of the states that
    the caller may name; path: where the filter stood; has_user: whether `$user` means somebody.
    Raises InvalidInput with every flaw, up to MAX_FLAWS.
    """
    return _read(_Reader(dataset, known, shown, known_states, has_user=has_user), given, path)


def parse_condition(
    given: object, dataset: Dataset, path: str = "where", *, max_depth: int = MAX_DEPTH, max_parts: int = MAX_PARTS
) -> Predicate:
    """Read the condition of a grant over the dataset as the role's author knows it.

    max_depth, max_parts: what all grants of a role say together is deeper and longer than what one of them may.
    Raises InvalidInput with every flaw, up to MAX_FLAWS.
    """
    reader = _Reader(dataset, None, None, frozenset(dataset.states_by_id))
    reader.max_depth, reader.max_parts = max_depth, max_parts
    return _read(reader, given, path)


def _read(reader: _Reader, given: object, path: str) -> Predicate:
    predicate = reader.conjunction(given, path, 1)
    if reader.parts > reader.max_parts:
        reader.flaws.append(Flaw(path, _too_many_parts(reader.max_parts)))
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


def _field(name: str, dataset: Dataset, known: frozenset[int] | None) -> Field | None:
    if name in RESERVED_NAMES:
        return name
    prop = dataset.properties_by_name.get(name)
    return prop if prop is not None and (known is None or prop.id in known) else None


class _Reader:
    """One walk over a condition; collects flaws and counts parts. `shown` None: it is a role's own."""

    def __init__(
        self,
        dataset: Dataset,
        known: frozenset[int] | None,
        shown: Callable[[int], Predicate] | None,
        known_states: frozenset[int],
        *,
        has_user: bool = True,
    ) -> None:
        self.dataset = dataset
        self.known = known
        self.shown = shown
        self.has_user = has_user
        self.states = {state.name: state.id for state in dataset.states if state.id in known_states}
        self.max_depth, self.max_parts = MAX_DEPTH, MAX_PARTS
        self.flaws: list[Flaw] = []
        self.parts = 0

    # --- and, or, not ---

    def conjunction(self, given: object, path: str, depth: int) -> Predicate:
        """An object: all its members hold."""
        if not isinstance(given, dict):
            return self._flaw(path, "must be an object of conditions")
        if depth > self.max_depth:
            return self._flaw(path, said("must not be nested deeper than %(most)d", most=self.max_depth))
        return all_of([self._member(name, value, path, depth) for name, value in given.items()])

    def _member(self, name: str, given: object, above: str, depth: int) -> Predicate:
        path = f"{above}.{path_label(name)}"
        self.parts += 1
        if self.parts > self.max_parts:
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
        if len(given) > self.max_parts:
            return [self._flaw(path, _too_many_parts(self.max_parts))]
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
            known = ", ".join(operators(field))
            return self._flaw(path, said("must have an operator: %(known)s", known=known))
        self.parts += len(given) - 1
        return all_of([self._operator(field, name, value, path) for name, value in given.items()])

    def _operator(self, field: Field, operator: str, given: object, above: str) -> Predicate:
        path = f"{above}.{path_label(operator)}"
        if operator not in OPERATORS:
            return self._flaw(path, said("no such operator; known are %(known)s", known=", ".join(OPERATORS)))
        if operator not in operators(field):
            known = ", ".join(operators(field))
            return self._flaw(path, said("not for %(kind)s, which takes %(known)s", kind=_kind(field), known=known))
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
        if self.shown is None:
            return Comparison(field, operator, operands, raw=True)
        return Comparison(field, operator, operands, self.shown(field.id) if isinstance(field, Property) else TRUE)

    def _operands(self, field: Field, operator: str, given: object, path: str) -> tuple[object, ...]:
        if operator == "isNull":
            return (given,)
        if operator not in ("in", "notIn"):
            return (self._literal(field, given, path),)
        if not isinstance(given, list):
            self._flaw(path, "must be a list of values")
            return ()
        if len(given) > MAX_LIST:
            self._flaw(path, said("must have at most %(most)d values", most=MAX_LIST))
            return ()
        return tuple(self._literal(field, item, f"{path}.{index}") for index, item in enumerate(given))

    def _literal(self, field: Field, given: object, path: str) -> object:
        if isinstance(given, dict) and _is_reference(given):
            return self._reference(field, given, path)
        try:
            if field == "state":
                return self._state(given, path)
            foreign = field == "id" and self.dataset.source is not None
            return parse_literal(_FOREIGN_ID if foreign else as_property(field), given, path)
        except InvalidInput as invalid:
            self.flaws.extend(invalid.flaws)
            return None

    def _reference(self, field: Field, given: dict[str, object], path: str) -> object:
        """`{"$user": "id"}` or `{"$now": "-7d"}`: a value that is known when it is asked."""
        kind = None if field == "state" else as_property(field).type
        match given:
            case {"$user": "id"} if len(given) == 1:
                if kind is not PropertyType.USER:
                    return self._flaw(path, said("$user is the id of a user, not for %(kind)s", kind=_kind(field)))
                if not self.has_user:
                    return self._flaw(path, "$user: whoever asks is no user, but a key that belongs to none")
                return AskingUser()
            case {"$now": span} if len(given) == 1:
                if kind not in (PropertyType.DATE, PropertyType.DATETIME):
                    return self._flaw(path, said("$now is a point in time, not for %(kind)s", kind=_kind(field)))
                shift = parse_span(span)
                if shift is None:
                    return self._flaw(path, "$now takes a span of at most 36600 days, such as -7d, +12h or 0s")
                return Moment(shift, day=kind is PropertyType.DATE)
        return self._flaw(path, 'known are {"$user": "id"} and {"$now": "-7d"}')

    def _state(self, given: object, path: str) -> int:
        if not isinstance(given, str):
            raise InvalidInput.at(path, "must be the name of a state")
        if given not in self.states:
            raise InvalidInput.at(path, _UNKNOWN_STATE)
        return self.states[given]

    def _flaw(self, path: str, reason: str) -> Predicate:
        self.flaws.append(Flaw(path, reason))
        return FALSE


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


def _kind(field: Field) -> str:
    if isinstance(field, str):
        return field
    return said("a property of type %(type)s", type=field.type.value)


def _too_many_parts(most: int) -> str:
    return said("must have at most %(most)d parts", most=most)
