"""What differs between two JSON values, part by part: for people who read what a change did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Missing(Enum):
    """What stands where nothing is; null is something."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that differs: where, what stood there, and what stands there now."""

    path: Path
    before: Any
    after: Any


def differences(before: Any, after: Any) -> list[Difference]:
    """The smallest parts that differ: members of objects, and items of lists by their place.

    Lists of plain values are compared as wholes: an item that went moves all others.
    """
    return list(_differences((), before, after))


def _differences(path: Path, before: Any, after: Any) -> Iterator[Difference]:
    if same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _differences((*path, name), before.get(name, MISSING), after.get(name, MISSING))
    elif _of_objects(before) and _of_objects(after):
        for place in range(max(len(before), len(after))):
            yield from _differences((*path, place), _at(before, place), _at(after, place))
    else:
        yield Difference(path, before, after)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; `1`, `1.0` and `true` are not, though Python says so."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def _of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _at(items: list[Any], place: int) -> Any:
    return items[place] if place < len(items) else MISSING
