"""Writing records, and the rows as they are stored, whoever asks.

The JSON of a record is always written whole, from Python: SQLite's functions would round its doubles.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, cast, literal_column, select, text
from sqlalchemy.types import Text

from bitting.core.ids import new_id
from bitting.core.problems import InvalidInput
from bitting.core.schema import Dataset, Property
from bitting.core.wording import said
from bitting.sqlalchemy.dialects import DIALECTS, TEXT, kind_of
from bitting.sqlalchemy.layouts import stored_data
from bitting.sqlalchemy.render import drop_index_ddl, drop_statistics_ddl, index_ddl, statistics_ddl
from bitting.store.record_scope import StoredRecord
from bitting.store.tables import records
from bitting.store.tenant import TenantQueries

MAX_INDEXED_BYTES = 2000
"""The longest text that an index takes: PostgreSQL refuses rows whose index entry is larger than 2,704 bytes."""

_BATCH = 500


class RecordWrites(TenantQueries):
    """Records of one workspace as they are stored."""

    @property
    def dialect(self) -> str:
        return self.connection.dialect.name

    def locked(self, dataset: Dataset, record_id: str) -> StoredRecord | None:
        """A record as it stands, held for this transaction."""
        columns = [column for column in records.c if column.name != "data"]
        query = (
            select(*columns, cast(records.c.data, Text).label("data"))
            .where(self._ours(records), records.c.dataset_id == dataset.id, records.c.id == record_id)
            .with_for_update()
        )
        row = self.connection.execute(query).mappings().first()
        return None if row is None else _stored(dataset, row)

    def insert(
        self, *, dataset_id: int, state_id: int, author: str | None, data: Mapping[str, object], now: int
    ) -> StoredRecord:
        """Add one record under a new id."""
        record = StoredRecord(new_id("rec"), dataset_id, state_id, author, dict(data), now, now)
        self.insert_many([record])
        return record

    def insert_many(self, rows: Iterable[StoredRecord]) -> None:
        """Add records, ids given, in batches."""
        for batch in _batches(rows):
            self.connection.execute(self._insert_statement, [self._values(record) for record in batch])

    def update(self, record: StoredRecord) -> None:
        """Write state, data, updated and archived of a record that stands."""
        statement = text(
            f"UPDATE records SET state_id = :state_id, data = {self._json}, updated_at = :updated_at, "  # noqa: S608
            "archived_at = :archived_at WHERE workspace_id = :workspace_id AND dataset_id = :dataset_id AND id = :id"
        )
        self.connection.execute(statement, self._values(record))

    def delete(self, dataset_id: int, record_id: str) -> bool:
        """Remove a record; whether it was there."""
        query = self._delete(records).where(records.c.dataset_id == dataset_id, records.c.id == record_id)
        return self.connection.execute(query).rowcount > 0

    def state_in_use(self, dataset_id: int, state_id: int) -> bool:
        """Whether some record, archived ones included, is in a state."""
        query = self._select(records, literal_column("1"))
        query = query.where(records.c.dataset_id == dataset_id, records.c.state_id == state_id)
        return self.connection.execute(query.limit(1)).first() is not None

    # --- what a changed schema asks for ---

    def remove_property(self, dataset_id: int, prop_id: int) -> None:
        """Take a property's values out of all records of a dataset; nothing else of them changes."""
        if self.dialect == "postgresql":
            self._run(f"UPDATE records SET data = data - 'p{prop_id}' WHERE {self._having(dataset_id, prop_id)}")  # noqa: S608
            return
        last = ""
        while batch := self._next_holders(dataset_id, prop_id, last):
            last = batch[-1]["id"]
            self.connection.execute(
                text("UPDATE records SET data = :data WHERE workspace_id = :workspace_id AND id = :id"),
                [_without(row, f"p{prop_id}") for row in batch],
            )

    def create_index(self, dataset_id: int, prop: Property) -> None:
        """Make the index by which a single-valued property is filtered and sorted.

        Raises InvalidInput when a stored text is longer than MAX_INDEXED_BYTES.
        """
        statement = index_ddl(dataset_id, prop, self.dialect)
        if self._has_long_text(dataset_id, prop):
            reason = said(
                "can't be indexed: a record has a text of more than %(most)d bytes in it", most=MAX_INDEXED_BYTES
            )
            raise InvalidInput.at("indexed", reason)
        if self.dialect == "postgresql":
            # It waits for whoever writes records, and whoever comes after waits for it: rather not long.
            self.connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        self.connection.execute(text(statement))
        if self.dialect == "postgresql":
            self.connection.execute(text(statistics_ddl(prop)))

    def drop_index(self, prop_id: int) -> None:
        """Drop a property's index, if it has one."""
        self.connection.execute(text(drop_index_ddl(prop_id)))
        if self.dialect == "postgresql":
            self.connection.execute(text(drop_statistics_ddl(prop_id)))

    def _has_long_text(self, dataset_id: int, prop: Property) -> bool:
        if kind_of(prop) != TEXT:
            return False
        value = DIALECTS[self.dialect].stored("data", prop)
        length = f"octet_length({value})" if self.dialect == "postgresql" else f"length(CAST({value} AS blob))"
        query = f"SELECT 1 FROM records WHERE {self._having(dataset_id, prop.id)} AND {length} > {MAX_INDEXED_BYTES}"  # noqa: S608
        return self._run(f"{query} LIMIT 1").first() is not None

    def _next_holders(self, dataset_id: int, prop_id: int, last: str) -> Sequence[Mapping[Any, Any]]:
        condition = f"{self._having(dataset_id, prop_id)} AND id > :last ORDER BY id LIMIT {_BATCH}"
        query = f"SELECT id, workspace_id, data FROM records WHERE {condition}"  # noqa: S608
        rows: Sequence[Mapping[Any, Any]] = self._run(query, last=last).mappings().all()
        return rows

    def _having(self, dataset_id: int, prop_id: int) -> str:
        holds = f"jsonb_exists(data, 'p{prop_id}')"
        if self.dialect == "sqlite":
            holds = f"json_type(data, '$.p{prop_id}') IS NOT NULL"
        return f"workspace_id = :workspace AND dataset_id = {dataset_id} AND {holds}"

    def _run(self, statement: str, **values: object) -> Any:
        return self.connection.execute(text(statement), {"workspace": self.workspace, **values})

    @property
    def _json(self) -> str:
        return "CAST(:data AS jsonb)" if self.dialect == "postgresql" else ":data"

    @property
    def _insert_statement(self) -> TextClause:
        names = [column.name for column in records.c]
        places = [self._json if name == "data" else f":{name}" for name in names]
        return text(f"INSERT INTO records ({', '.join(names)}) VALUES ({', '.join(places)})")  # noqa: S608

    def _values(self, record: StoredRecord) -> dict[str, object]:
        values = {column.name: getattr(record, column.name) for column in records.c if column.name != "workspace_id"}
        return {**values, "workspace_id": self.workspace, "data": data_text(record.data)}


def data_text(data: Mapping[str, object]) -> str:
    """The JSON text of a record's data; what is missing is left out."""
    present = {key: value for key, value in data.items() if value is not None}
    return json.dumps(present, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _without(row: Mapping[Any, Any], key: str) -> dict[str, object]:
    data = json.loads(row["data"])
    del data[key]
    return {"id": row["id"], "workspace_id": row["workspace_id"], "data": data_text(data)}


def _stored(dataset: Dataset, row: Mapping[Any, Any]) -> StoredRecord:
    values = {name: row[name] for name in row if name not in ("workspace_id", "data")}
    return StoredRecord(**values, data=stored_data(dataset.properties, row["data"]))


def _batches(rows: Iterable[StoredRecord]) -> Iterator[list[StoredRecord]]:
    batch: list[StoredRecord] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
