"""The SQL that one would write by hand for this very role: what the generated SQL is held against.

It knows the role, so that its figures stand in the text, and it knows the indexes: a page sorted by a value that may be
hidden is two lists, first the visible values, then the rest by id; SQLite searches an index on an expression by ranges
alone, PostgreSQL by a comparison of rows.

An answer tells a hidden cell from an empty one. The state says which cells are shown, but for the two conditions on a
paid order: these come as flags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PAGE = 50


@dataclass(frozen=True)
class Statement:
    """SQL text and what is bound in it; `native`: it has the driver's marks, otherwise `:name`."""

    sql: str
    values: Mapping[str, object]
    native: bool = False


@dataclass(frozen=True)
class Names:
    """What a store calls the things that the statements speak of; `states` are literals, by name.

    present: that `total` is not missing, as the index wants it; beyond: what comes after `:total` and `:id`.
    """

    table: str
    within: str
    id: str
    state: str
    states: Mapping[str, str]
    others: tuple[str, ...]
    total: str
    region: str
    margin: str
    phone: str
    present: str
    beyond: str


class Hand:
    """The role's questions in one store's words."""

    def __init__(self, names: Names) -> None:
        n, states = names, names.states
        self._n = names
        self._new = f"{n.state} = {states['new']}"
        west = f"({n.state} = {states['shipped']} AND {n.region} = 'west')"
        good = f"{n.margin} >= 0 AND {n.region} IN ('east', 'north')"
        paid, refunded = f"{n.state} = {states['paid']}", f"{n.state} = {states['refunded']}"
        self._cheap, self._good = f"{paid} AND {n.total} < 1000", good
        self._with_total = f"(({paid} AND ({n.total} < 1000 OR ({good}))) OR {west} OR ({refunded} AND {good}))"
        self._without_total = f"({n.total} IS NULL AND ((({paid} OR {refunded}) AND {good}) OR {west}))"
        self._visible = f"({self._new} OR {self._with_total})"

    def first_page(self) -> Statement:
        """The first page of those with a visible total."""
        return self._page(f"{self._n.present} AND {self._with_total}", {})

    def next_page(self, total: int, ident: object) -> Statement:
        """The page after a total and an id."""
        return self._page(f"{self._n.beyond} AND {self._with_total}", {"total": total, "id": ident})

    def tail_page(self, ident: object) -> Statement:
        """The page after an id, of those whose total is hidden or missing."""
        rule = f"{self._n.id} > :id AND ({self._new} OR {self._without_total})"
        sql = f"SELECT {self._columns('NULL')} FROM {self._n.table} WHERE {self._n.within} AND {rule}"
        return Statement(f"{sql} ORDER BY {self._n.id} LIMIT {PAGE + 1}", {"id": ident})

    def count(self) -> Statement:
        """How many orders are visible."""
        return self._over("count(*)", self._visible)

    def count_above(self, total: int) -> Statement:
        """How many visible totals are greater."""
        return self._over("count(*)", f"{self._n.total} > :total AND {self._with_total}", total=total)

    def totals_by_region(self) -> Statement:
        """The visible totals by visible region: of how many orders, how many totals, and their sum."""
        total = f"CASE WHEN NOT {self._new} THEN {self._n.total} END"
        grouped = self._over(f"{self._region}, count(*), count({total}), sum({total})", self._visible)
        return Statement(f"{grouped.sql} GROUP BY {self._region}", {})

    @property
    def _region(self) -> str:
        n = self._n
        open_states = f"{n.state} IN ({n.states['new']}, {n.states['shipped']})"
        return f"CASE WHEN {open_states} OR ({self._cheap}) THEN {n.region} END"

    def _page(self, rule: str, values: Mapping[str, object]) -> Statement:
        n = self._n
        sql = f"SELECT {self._columns(n.total)} FROM {n.table} WHERE {n.within} AND {rule}"
        return Statement(f"{sql} ORDER BY {n.total}, {n.id} LIMIT {PAGE + 1}", values)

    def _over(self, columns: str, rule: str, **values: object) -> Statement:
        return Statement(f"SELECT {columns} FROM {self._n.table} WHERE {self._n.within} AND {rule}", values)

    def _columns(self, total: str) -> str:
        n = self._n
        open_states = f"{n.state} IN ({n.states['new']}, {n.states['shipped']}, {n.states['refunded']})"
        return ", ".join(
            [
                *(n.id, n.state, *n.others, total, self._region),
                f"CASE WHEN {n.state} = {n.states['shipped']} OR ({self._cheap}) THEN {n.margin} END",
                f"CASE WHEN {open_states} OR ({self._good}) THEN {n.phone} END",
                *(f"CASE WHEN {flag} THEN 1 ELSE 0 END" for flag in (self._cheap, self._good)),
            ]
        )


def groups(rows: Sequence[Sequence[Any]]) -> object:
    """The plainest answer that can be made of groups."""
    return {value: (count, filled, int(total or 0)) for value, count, filled, total in rows}


_SHOWN = {
    "new": ("region", "phone"),
    "paid": ("total",),
    "shipped": ("total", "region", "margin", "phone"),
    "refunded": ("total", "phone"),
}
_CELLS = ("total", "region", "margin", "phone")


def decoded(rows: Sequence[Sequence[Any]], states: Mapping[Any, str]) -> list[dict[str, object]]:
    """The plainest answer that can be made of a page's rows: a dict each, with the cells that are shown."""
    answer = []
    for ident, state_value, author, created, updated, *cells, cheap, good in rows[:PAGE]:
        state = states[state_value]
        shown = _SHOWN[state]
        if state == "paid":
            shown = (*shown, *(("region", "margin") if cheap else ()), *(("phone",) if good else ()))
        answer.append(
            {
                "id": ident,
                "state": state,
                "author": author,
                "createdAt": created,
                "updatedAt": updated,
                "properties": {name: cell for name, cell in zip(_CELLS, cells, strict=True) if name in shown},
            }
        )
    return answer
