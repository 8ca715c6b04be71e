"""The bound values of a statement: its own, and what is known only when it is executed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bitting.core.predicates import Asking, AskingUser, Moment, resolved

USER = "user"
"""The parameter that holds the asking user's id, or None."""


@dataclass(frozen=True, slots=True)
class Late:
    """A bound value that is worked out from operands when the statement is executed."""

    operands: tuple[object, ...]
    made: Callable[[Sequence[object]], object]


class Parameters:
    """The bound values of one statement; hands out names, so that several renderers may share it.

    It holds no principal's values: `filled` gives them for one execution. `letter` keeps the names of several apart.
    A number that stands in several places has one name. So has a text that the very same `made` gave: its places are of
    the same SQL type. `one_text` says that all places of texts are.
    """

    def __init__(self, letter: str = "v", *, one_text: bool = False) -> None:
        self._letter = letter
        self._one_text = one_text
        self._named: dict[tuple[object, ...], str] = {}
        self._constants: dict[str, object] = {}
        self._late: dict[str, Late] = {}
        self._aliases = 0

    def bind(self, value: object, made: Callable[[object], object] | None = None) -> str:
        """A place for one operand; `made` turns the operand, once it is known, into what the driver is given."""
        if isinstance(value, AskingUser | Moment):
            return self._later(Late((value,), lambda values: made(values[0]) if made else values[0]))
        return self._now(made(value) if made else value, made)

    def bind_list(self, values: Sequence[object], made: Callable[[Sequence[object]], object]) -> str:
        """A place for a list of operands; `made` turns the list into what the driver is given."""
        if any(isinstance(value, AskingUser | Moment) for value in values):
            return self._later(Late(tuple(values), made))
        return self._now(made(values))

    def filled(self, asking: Asking) -> dict[str, object]:
        """The values for one execution, `:user` included."""
        late = {
            name: value.made([resolved(operand, asking) for operand in value.operands])
            for name, value in list(self._late.items())  # another thread may render more meanwhile
        }
        return {**self._constants, **late, USER: asking.user_id}

    def _now(self, value: object, made: Callable[[object], object] | None = None) -> str:
        known = self._known(value, made)
        name = None if known is None else self._named.get(known)
        if name is None:
            name = self._name()
            self._constants[name] = value
            if known is not None:
                self._named[known] = name
        return f":{name}"

    def _known(self, value: object, made: Callable[[object], object] | None) -> tuple[object, ...] | None:
        """What is alike in the places that may share a name; None: this one has its own."""
        if isinstance(value, str):
            return (str, value) if self._one_text else None if made is None else (str, value, made)
        return (type(value), value) if isinstance(value, int | float) else None

    def _later(self, late: Late) -> str:
        name = self._name()
        self._late[name] = late
        return f":{name}"

    def _name(self) -> str:
        return f"{self._letter}{len(self._constants) + len(self._late) + 1}"

    def alias(self, letter: str) -> str:
        self._aliases += 1
        return f"{letter}{self._aliases}"


_PLAIN = re.compile(r"[A-Za-z0-9 _.-]{0,64}")


class Constants(Parameters):
    """The parameters of a statement, where values plain enough for any quoting stand in its text instead.

    For what belongs to the statement itself, such as the names of states: with them bound, PostgreSQL plans the
    statement anew each time, which costs a fifth of a page.
    """

    def __init__(self, inner: Parameters) -> None:
        self._inner = inner

    def bind(self, value: object, made: Callable[[object], object] | None = None) -> str:
        """The value itself, where it is a plain one; else a place for it."""
        given = value if isinstance(value, AskingUser | Moment) else made(value) if made else value
        if type(given) is int:
            return str(given)
        if type(given) is str and _PLAIN.fullmatch(given):
            return f"'{given}'"
        return self._inner.bind(value, made)

    def bind_list(self, values: Sequence[object], made: Callable[[Sequence[object]], object]) -> str:
        """A place for a list of operands."""
        return self._inner.bind_list(values, made)


_MARKS = re.compile(r"(?<![:\w\\]):(\w+)(?!:)|%")


_KEPT_LENGTH = 16_384


def driver_text(statement: str, dialect: str) -> str:
    """A statement with `:name` marks, as its driver takes it.

    Marks and the escape before a colon that is none are those of `sqlalchemy.text`. What is not too long is kept: to
    read out the marks each time costs as much as a page.
    """
    return _kept_text(statement, dialect) if len(statement) <= _KEPT_LENGTH else _driver_text(statement, dialect)


@lru_cache(maxsize=512)
def _kept_text(statement: str, dialect: str) -> str:
    return _driver_text(statement, dialect)


def _driver_text(statement: str, dialect: str) -> str:
    if dialect == "postgresql":
        statement = _MARKS.sub(lambda found: f"%({found[1]})s" if found[1] else "%%", statement)
    return statement.replace("\\:", ":")
