"""Predicates over one record: the shared form that conditions, grants and filters become.

A predicate is a value. It is evaluated in memory, or rendered to SQL, and both must agree on every
input. It holds no principal's values: who asks (`Assigned`) is filled in when it is evaluated or
executed, so a rendered predicate may be reused for another principal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bitting.core.schema import Property


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
    exactly one for the single-valued operators, any number for `in` and `notIn`, and a bool for `isNull`.
    `shown` is when the cell is visible to whoever asks: a hidden cell behaves as a missing one.
    """

    field: Property | str
    operator: str
    operands: tuple[object, ...]
    shown: Predicate = TRUE


Predicate = Constant | StateIn | Assigned | All | AnyOf | Negation | Comparison


def all_of(parts: Iterable[Predicate]) -> Predicate:
    """The conjunction, simplified: constants folded, nested conjunctions flattened."""
    kept: list[Predicate] = []
    for part in parts:
        if part == FALSE:
            return FALSE
        if part == TRUE or part in kept:
            continue
        kept.extend(part.parts if isinstance(part, All) else (part,))
    if not kept:
        return TRUE
    return kept[0] if len(kept) == 1 else All(tuple(kept))


def any_of(parts: Iterable[Predicate]) -> Predicate:
    """The disjunction, simplified likewise."""
    kept: list[Predicate] = []
    for part in parts:
        if part == TRUE:
            return TRUE
        if part == FALSE or part in kept:
            continue
        kept.extend(part.parts if isinstance(part, AnyOf) else (part,))
    if not kept:
        return FALSE
    return kept[0] if len(kept) == 1 else AnyOf(tuple(kept))
