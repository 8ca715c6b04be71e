"""What is measured: one store with the orders in it, and what is asked of it by hand and through Bitting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Connection, event

from benchmarks.roles.hand import Statement
from bitting.sqlalchemy.parameters import driver_text


@dataclass(frozen=True)
class Case:
    """One question.

    hand, decode: the statement, and the plainest answer made of its rows; call: the same through Bitting, from the role
    to the answer, None for what it can't be asked yet; told: Bitting's answer in the words of the plain one.
    """

    name: str
    hand: Statement
    decode: Callable[[Sequence[Any]], object]
    call: Callable[[Connection], object] | None
    told: Callable[[Any], object]

    def by_hand(self, connection: Connection) -> object:
        """The hand-written statement's answer."""
        return self.decode(execute(connection, [self.hand]))

    def statements(self, connection: Connection) -> list[Statement]:
        """What Bitting executes for it; the answer has to be the hand-written statement's."""
        assert self.call is not None
        with _recorded(connection) as statements:
            answer = self.told(self.call(connection))
        assert statements, f"{self.name}: nothing was executed that could be executed again"
        assert answer == self.by_hand(connection), f"{self.name}: the answers differ"
        return statements


class Subject(Protocol):
    """One store of orders: an empty database to begin with."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    def load(self, count: int) -> None:
        """Put that many orders into it, with indexes and statistics."""

    def connect(self) -> AbstractContextManager[Connection]:
        """The connection for both sides."""

    def cases(self) -> list[Case]:
        """What is asked; the orders are there."""

    def stream(self) -> Iterator[bytes] | None:
        """Everything that the role shows, bit by bit; None when there is no such thing."""

    def close(self) -> None:
        """Let go of the database."""


def execute(connection: Connection, statements: Sequence[Statement]) -> list[Any]:
    """All rows of some statements: the way that Bitting takes to the driver."""
    rows: list[Any] = []
    for statement in statements:
        native = statement.sql if statement.native else driver_text(statement.sql, connection.dialect.name)
        rows += connection.exec_driver_sql(native, dict(statement.values)).all()
    return rows


def plan(connection: Connection, statement: Statement) -> str:
    """How the database goes about a statement."""
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = execute(connection, [replace(statement, sql=f"{explain} {statement.sql}")])
    return "\n".join(str(row[-1]) for row in rows)


@contextmanager
def _recorded(connection: Connection) -> Iterator[list[Statement]]:
    statements: list[Statement] = []

    def note(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: bool) -> None:
        if not sql.startswith("SET "):
            statements.append(Statement(sql, values, native=True))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", note)
