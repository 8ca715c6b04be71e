"""Predicates over one record: the shared form that conditions, grants and filters become.

A predicate is a value. It is evaluated in memory, or rendered to SQL, and both must agree on every
input. It holds no principal's values: who asks and when (`Assigned`, `AskingUser`, `Moment`) is filled
in when it is evaluated or executed, so a rendered predicate may be reused for another principal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bitting.core.schema import Property

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 0001 to 9999


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and when: what a predicate leaves open. `now` in microseconds UTC."""

    user_id: str | None = None
    now: int = 0


@dataclass(frozen=True, slots=True)
class AskingUser:
    """An operand: the id of the user who asks (`{"$user": "id"}`); missing for a principal without a user."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An operand: the time of asking, shifted by microseconds (`{"$now": "-7d"}`); `day`: its date in UTC."""

    shift: int
    day: bool = False


def resolved(operand: object, asking: Asking) -> object:
    """An operand with what it left open filled in, in stored form; None for the user of a principal without one."""
    match operand:
        case AskingUser():
            return asking.user_id
        case Moment(shift, day):
            instant = min(max(asking.now + shift, _FIRST), _LAST)
            return (_EPOCH + timedelta(microseconds=instant)).date().isoformat() if day else instant
    return operand


@dataclass(frozen=True, slots=True)
class Constant:
    """Always true or always false."""

    value: bool


TRUE = Constant(True)
FALSE = Constant(False)


@dataclass(frozen=True, slots=True)
class StateIn:
    """The record is in one of these states (ids); not empty."""

    states: frozenset[int]


@dataclass(frozen=True, slots=True)
class Assigned:
    """The asking user is the record's author or named in one of its user properties.

    Never true when the principal has no user.
    """


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The part does not hold; two-valued, so plain negation."""

    part: Predicate


@dataclass(frozen=True, slots=True)
class Comparison:
    """A cell compared with literals; a missing cell compares false with everything but `isNull`.

    `field` is a property, or one of RESERVED_NAMES. `operands` are in stored form (see values.py):
    exactly one for the single-valued operators, any number for `in` and `notIn`, and a bool for `isNull`;
    `AskingUser` and `Moment` stand for what is known when it is asked. `shown` is when the cell is visible to
    whoever asks: a hidden cell behaves as a missing one. `raw` is a role's own: it judges the record as it is
    stored, so links count whether or not what they lead to can be seen.
    """

    field: Property | str
    operator: str
    operands: tuple[object, ...]
    shown: Predicate = TRUE
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Unbound:
    """A role's comparison as it is kept: a property by its id, to be bound to the schema as it stands.

    `link`: the property is a record link, whose cell may be hidden where the property is not.
    """

    property: int
    operator: str
    operands: tuple[object, ...]
    link: bool = False


Predicate = Constant | StateIn | Assigned | All | AnyOf | Negation | Comparison | Unbound


def all_of(parts: Iterable[Predicate]) -> Predicate:
    """The conjunction, simplified: constants folded, nested conjunctions flattened, what is said twice said once."""
    kept: list[Predicate] = []
    for part in parts:
        if part == FALSE:
            return FALSE
        if part != TRUE:
            kept.extend(part.parts if isinstance(part, All) else (part,))
    kept = _once_each(kept)
    if not kept:
        return TRUE
    return All(tuple(kept)) if len(kept) > 1 else kept[0]


def any_of(parts: Iterable[Predicate]) -> Predicate:
    """The disjunction, simplified likewise."""
    kept: list[Predicate] = []
    for part in parts:
        if part == TRUE:
            return TRUE
        if part != FALSE:
            kept.extend(part.parts if isinstance(part, AnyOf) else (part,))
    kept = _once_each(kept)
    if not kept:
        return FALSE
    return AnyOf(tuple(kept)) if len(kept) > 1 else kept[0]


def _once_each(parts: list[Predicate]) -> list[Predicate]:
    """Without what is there twice. A few are compared, which ends at the first difference; a hash looks at all."""
    if len(parts) > _FEW:
        return list(dict.fromkeys(parts))
    return [part for place, part in enumerate(parts) if part not in parts[:place]]


_FEW = 6


def negation(part: Predicate) -> Predicate:
    """The negation, simplified: constants folded, a double negation dropped."""
    if isinstance(part, Constant):
        return Constant(not part.value)
    return part.part if isinstance(part, Negation) else Negation(part)


def leaves(predicate: Predicate) -> Iterator[Predicate]:
    """The parts of a predicate that are not made of others."""
    match predicate:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)
        case Negation(part):
            yield from leaves(part)
        case _:
            yield predicate


def map_leaves(predicate: Predicate, change: Callable[[Predicate], Predicate]) -> Predicate:
    """The predicate with each part that is not made of others changed, simplified again."""
    match predicate:
        case All(parts):
            return all_of(map_leaves(part, change) for part in parts)
        case AnyOf(parts):
            return any_of(map_leaves(part, change) for part in parts)
        case Negation(part):
            return negation(map_leaves(part, change))
    return change(predicate)


def mentions_user(predicate: Predicate) -> bool:
    """Whether what it says depends on the user who asks: it then says nothing about a principal without one."""
    return any(
        isinstance(leaf, Assigned) or (isinstance(leaf, Comparison | Unbound) and AskingUser() in leaf.operands)
        for leaf in leaves(predicate)
    )
