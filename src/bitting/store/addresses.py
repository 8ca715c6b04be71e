"""From where keys were used, by the hour: how often that was allowed, and refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, delete, func, text

from bitting.core.usage import Span
from bitting.store.tables import keys, usage_addresses
from bitting.store.tenant import TenantQueries


class AddressCount(NamedTuple):
    """How often an address was allowed, and refused."""

    allowed: int
    refused: int

    def more(self, count: int, *, allowed: bool) -> AddressCount:
        """With so many more of one outcome."""
        return self._replace(allowed=self.allowed + count) if allowed else self._replace(refused=self.refused + count)

    def plus(self, other: AddressCount) -> AddressCount:
        """Both together."""
        return AddressCount(self.allowed + other.allowed, self.refused + other.refused)


@dataclass(frozen=True, slots=True)
class AddressTotal:
    """A whole span's count of one address; empty: of those that aren't told apart. `last` is its last hour."""

    address: str
    count: AddressCount
    last: int


_ROWS = {"sqlite": "json_each(:rows)", "postgresql": "json_array_elements(CAST(:rows AS json)) AS listed(value)"}
# Nothing is counted for a workspace that is gone. Rows come in the order of the primary key, so that processes that
# write the same ones wait for each other in no circle.
_ADD = """
INSERT INTO usage_addresses (workspace_id, at, key_id, address, allowed, refused)
SELECT workspaces.id, given.at, given.key, given.address, given.allowed, given.refused
FROM (
    SELECT CAST(value ->> 0 AS BIGINT) AS at, value ->> 1 AS key, value ->> 2 AS address,
           CAST(value ->> 3 AS BIGINT) AS allowed, CAST(value ->> 4 AS BIGINT) AS refused
    FROM {rows}
) AS given
JOIN workspaces ON workspaces.id = :workspace
WHERE true
ORDER BY given.at, given.key, given.address
ON CONFLICT (workspace_id, at, key_id, address)
DO UPDATE SET allowed = usage_addresses.allowed + excluded.allowed,
              refused = usage_addresses.refused + excluded.refused
"""


class AddressQueries(TenantQueries):
    """From where keys of one workspace were used."""

    def add(self, rows: Sequence[tuple[int, str, str, AddressCount]]) -> None:
        """Adds counts: of the hour that begins then, a key's id, an address."""
        given = [(at, key, address, *count) for at, key, address, count in rows]
        statement = text(_ADD.format(rows=_ROWS[self.connection.dialect.name]))
        self.connection.execute(statement, {"workspace": self.workspace, "rows": msgspec.json.encode(given).decode()})

    def totals(self, span: Span, *, key: str | None, owner: str | None, limit: int) -> list[AddressTotal]:
        """Counts of the whole span by address, the greatest first; of one key, of all keys of a user, or of all."""
        table = usage_addresses.c
        allowed, refused = func.sum(table.allowed), func.sum(table.refused)
        found: Select[Any] = self._select(usage_addresses, table.address, allowed, refused, func.max(table.at)).where(
            table.at >= span.start, table.at < span.end
        )
        if key is not None:
            found = found.where(table.key_id == key)
        if owner is not None:
            found = found.where(table.key_id.in_(self._select(keys, keys.c.id).where(keys.c.owner_id == owner)))
        most = found.group_by(table.address).order_by((allowed + refused).desc(), table.address).limit(limit)
        return [
            AddressTotal(address, AddressCount(int(passed), int(stopped)), last)
            for address, passed, stopped, last in self.connection.execute(most)
        ]


def forget_addresses(connection: Connection, before: int) -> None:
    """The operator's: deletes what was counted before an instant, of all workspaces."""
    connection.execute(delete(usage_addresses).where(usage_addresses.c.at < before))
