"""Whether an attached table still is what it was when it was attached, as far as its schema tells."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from bitting.core.schema import Column, ColumnKind, Dataset, Property
from bitting.store.reflection import FoundTable, reflect


def mapped_columns(dataset: Dataset) -> Iterator[tuple[Column, Property | None]]:
    """Every column of its table that an attached dataset reads, with the property that it is for."""
    source = dataset.source
    if source is not None:
        for column in (source.id, source.state, source.author, source.created, source.updated):
            if column is not None:
                yield column, None
    for prop in dataset.properties:
        if prop.column is not None:
            yield prop.column, prop


def drift(connection: Connection, dataset: Dataset) -> list[str]:
    """What of an attached dataset's table is no longer as it was attached, for the operator; [] when nothing."""
    source = dataset.source
    if source is None:
        return []
    table = reflect(connection, source.schema, source.table)
    if table is None:
        return [f"there is no table or view '{table_name(dataset)}'"]
    said = (_difference(table, column, prop) for column, prop in mapped_columns(dataset))
    return list(dict.fromkeys(words for words in said if words))


def table_name(dataset: Dataset) -> str:
    """The table of an attached dataset as people write it."""
    source = dataset.source
    return "" if source is None else ".".join(part for part in (source.schema, source.table) if part)


def _difference(table: FoundTable, column: Column, prop: Property | None) -> str | None:
    found = table.column(column.name)
    if found is None:
        return f"the column '{column.name}' is gone"
    # What is compared byte by byte, whatever the column's own collation says, may be that of a plain column now.
    kept = column.kind in found.kinds or (column.kind is ColumnKind.COLLATED_TEXT and ColumnKind.TEXT in found.kinds)
    if not kept or (prop is not None and prop.type is not found.type_as(column.kind)):
        return f"the column '{column.name}' is of another type now ({found.declared or 'none'}), read as {column.kind}"
    return None
