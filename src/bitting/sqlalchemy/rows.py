"""What comes back in place of mapped instances: plain values, out of reach of the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.orm import Bundle


class VisibleRow:
    """A row under the names of the mapped attributes; read only, and nothing of it is ever loaded again."""

    __slots__ = ("__values",)

    def __init__(self, values: dict[str, Any]) -> None:
        object.__setattr__(self, "_VisibleRow__values", values)

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_VisibleRow__values")[name]
        except KeyError:
            raise AttributeError(f"the row has no '{name}'") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("the row is read only")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("the row is read only")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VisibleRow) and self.__values == other.__values

    def __hash__(self) -> int:
        return hash(tuple(self.__values))

    def __repr__(self) -> str:
        return f"VisibleRow({', '.join(f'{name}={value!r}' for name, value in self.__values.items())})"

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__values]

    def __reduce__(self) -> tuple[Any, ...]:
        return VisibleRow, (self.__values,)


class VisibleRows(Bundle[Any]):
    """The columns of an entity as one element of each row. It knows names and no values: SQLAlchemy keeps it."""

    def create_row_processor(
        self,
        query: object,  # noqa: ARG002
        procs: Sequence[Callable[[Row[Any]], Any]],
        labels: Sequence[str],
    ) -> Callable[[Row[Any]], Any]:
        """Makes an object of each row."""

        def made(row: Row[Any]) -> VisibleRow:
            return VisibleRow({name: proc(row) for name, proc in zip(labels, procs, strict=True)})

        return made
