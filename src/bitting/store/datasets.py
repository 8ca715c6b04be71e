"""Datasets, their states and properties in the database; ids are drawn once and never used again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, null, select

from bitting.core.schema import Catalogue, Column, ColumnKind, Dataset, Property, PropertyType, Source, State
from bitting.store.tables import dataset_properties, dataset_states, datasets
from bitting.store.tenant import TenantQueries


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A dataset as it stands."""

    dataset: Dataset
    created_at: int
    updated_at: int


class DatasetQueries(TenantQueries):
    """The datasets of one workspace."""

    def all(self) -> list[DatasetRow]:
        """Every dataset with its schema, by name."""
        rows = list(self.connection.execute(self._select(datasets).order_by(datasets.c.name)))
        states, properties = self._parts(dataset_states), self._parts(dataset_properties)
        return [_row(row, states[row.id], properties[row.id]) for row in rows]

    def catalogue(self) -> Catalogue:
        return Catalogue.of(row.dataset for row in self.all())

    def lock(self, dataset_id: int) -> None:
        """Holds a dataset's schema for this transaction: schema changes and record writes take turns."""
        self.connection.execute(
            self._select(datasets, datasets.c.id).where(datasets.c.id == dataset_id).with_for_update()
        )

    def share(self, dataset_id: int) -> bool:
        """Keeps a dataset's schema from changing during this transaction; False when it is gone."""
        query = self._select(datasets, datasets.c.id).where(datasets.c.id == dataset_id).with_for_update(read=True)
        return self.connection.execute(query).first() is not None

    def insert(self, name: str, title: str, now: int, source: Source | None = None) -> int:
        """Adds a dataset without states and properties; with a source, an attached one.

        Returns:
            Its id.
        """
        stored = None if source is None else _source_values(source)
        values = {"name": name, "title": title, "created_at": now, "updated_at": now, "source": stored}
        return int(self.connection.execute(self._insert(datasets, values).returning(datasets.c.id)).scalar_one())

    def update(self, dataset_id: int, name: str, title: str, now: int) -> None:
        query = self._update(datasets).where(datasets.c.id == dataset_id)
        self.connection.execute(query.values(name=name, title=title, updated_at=now))

    def delete(self, dataset_id: int) -> None:
        self.connection.execute(self._delete(datasets).where(datasets.c.id == dataset_id))

    def put_states(self, dataset_id: int, states: Iterable[State]) -> None:
        """Makes the states of a dataset these, in this order; an id of 0 marks a new one."""
        rows = [
            {"id": state.id, "name": state.name, "title": state.title, "source": list(state.values) or None}
            for state in states
        ]
        self._put(dataset_states, dataset_id, rows)

    def put_properties(self, dataset_id: int, properties: Iterable[Property]) -> None:
        """Makes the properties of a dataset these, in this order; an id of 0 marks a new one."""
        self._put(dataset_properties, dataset_id, [_property_values(prop) for prop in properties])

    def _put(self, table: Table, dataset_id: int, rows: list[dict[str, Any]]) -> None:
        kept = [row["id"] for row in rows if row["id"]]
        ours = table.c.dataset_id == dataset_id
        self.connection.execute(self._delete(table).where(ours, table.c.id.not_in(kept)))
        for position, row in enumerate(rows):
            values = {**row, "position": position}
            ident = values.pop("id")
            if ident:
                self.connection.execute(self._update(table).where(ours, table.c.id == ident).values(values))
            else:
                self.connection.execute(self._insert(table, {**values, "dataset_id": dataset_id}))

    def _parts(self, table: Table) -> defaultdict[int, list[Row[Any]]]:
        parts: defaultdict[int, list[Row[Any]]] = defaultdict(list)
        for row in self.connection.execute(self._select(table).order_by(table.c.position)):
            parts[row.dataset_id].append(row)
        return parts


def attached_workspaces(connection: Connection) -> set[str]:
    """The operator's: ids of the workspaces that have attached datasets."""
    query = select(datasets.c.workspace_id).where(datasets.c.source.is_not(null())).distinct()
    return set(connection.execute(query).scalars())


def _row(row: Row[Any], states: list[Row[Any]], properties: list[Row[Any]]) -> DatasetRow:
    dataset = Dataset(
        id=row.id,
        name=row.name,
        title=row.title,
        states=tuple(State(state.id, state.name, state.title, tuple(state.source or ())) for state in states),
        properties=tuple(_property(prop) for prop in properties),
        source=None if row.source is None else _source(row.source),
    )
    return DatasetRow(dataset, row.created_at, row.updated_at)


def _property(row: Row[Any]) -> Property:
    return Property(
        id=row.id,
        name=row.name,
        title=row.title,
        type=PropertyType(row.type),
        required=row.required,
        plural=row.plural,
        indexed=row.indexed,
        options=tuple(row.options),
        links_to=row.links_to,
        column=_column(row.source),
    )


def _property_values(prop: Property) -> dict[str, Any]:
    return {
        "id": prop.id,
        "name": prop.name,
        "title": prop.title,
        "type": prop.type,
        "required": prop.required,
        "plural": prop.plural,
        "indexed": prop.indexed,
        "options": list(prop.options),
        "links_to": prop.links_to,
        "source": _column_values(prop.column),
    }


# --- attached datasets ---------------------------------------------------------------------------

_ROLES = ("id", "state", "author", "created", "updated")


def _source_values(source: Source) -> dict[str, Any]:
    columns = {role: _column_values(getattr(source, role)) for role in _ROLES}
    return {"connection": source.connection, "schema": source.schema, "table": source.table, **columns}


def _source(stored: Mapping[str, Any]) -> Source:
    columns: dict[str, Any] = {role: _column(stored[role]) for role in _ROLES}
    return Source(connection=stored["connection"], schema=stored["schema"], table=stored["table"], **columns)


def _column_values(column: Column | None) -> dict[str, str] | None:
    return None if column is None else {"name": column.name, "kind": column.kind.value}


def _column(stored: Mapping[str, str] | None) -> Column | None:
    return None if stored is None else Column(stored["name"], ColumnKind(stored["kind"]))
