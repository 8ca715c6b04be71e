"""Whether attached datasets can still be read as they were attached, and whether roles still name what there is.

It is for the operator, and names everything. Nothing here opens or closes anything: what has drifted answers 503 to
callers, whether or not anybody has looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from bitting.backend import Backend, Context, Reading
from bitting.core.errors import SourceUnavailable
from bitting.core.grants import broken_parts
from bitting.core.problems import Flaw
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, ColumnKind, Dataset, PropertyType, Source
from bitting.store.attached_checks import is_table, misfits, rows_without_state, sorted_by_code_point, uniqueness
from bitting.store.attached_drift import drift, mapped_columns, table_name
from bitting.store.reflection import quoted, quoted_table, reflect


class Level(StrEnum):
    """How bad it is: `broken` is closed to callers, or opens nothing; a `warning` concerns rows; `advice` speed."""

    BROKEN = "broken"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found; `about` names the dataset or role."""

    level: Level
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """An attached dataset that was looked at, and what was found."""

    dataset: str
    connection: str
    table: str
    findings: tuple[Finding, ...]


def check_schemas(backend: Backend, context: Context) -> list[Checked]:
    """Whether the tables of a workspace's attached datasets still are what was attached; reads no row.

    A connection that can't be opened is tried once.
    """
    closed: dict[str, str | None] = {}
    checked = []
    for dataset in _attached(_catalogue(backend, context)):
        name = _source(dataset).connection
        if name not in closed:
            closed[name] = _closed(backend, context, name)
        said = closed[name]
        found = (
            _schema_findings(backend, context, dataset)
            if said is None
            else [Finding(Level.BROKEN, dataset.name, _CLOSED + said)]
        )
        checked.append(_checked(dataset, found))
    return checked


def check_datasets(backend: Backend, context: Context) -> list[Checked]:
    """As `check_schemas`, and what the rows are like: reads whole tables."""
    return [
        _checked(dataset, _thorough(backend, context, dataset)) for dataset in _attached(_catalogue(backend, context))
    ]


def check_roles(backend: Backend, context: Context) -> list[Finding]:
    """Roles that name what was deleted."""
    with backend.read(context) as reading:
        catalogue = reading.datasets.catalogue()
        return [
            Finding(_role_level(flaw), role.name, f"{flaw.path} {flaw.reason}")
            for role in _roles(reading)
            for flaw in broken_parts(role.grants, catalogue)
        ]


def _roles(reading: Reading) -> Iterator[Role]:
    after = None
    while True:
        page = reading.roles.page(_ROLES_AT_ONCE, after)
        yield from (row.role for row in page.items)
        if page.after is None:
            return
        after = page.after


def _role_level(flaw: Flaw) -> Level:
    """Without its dataset or a property of its condition a grant opens nothing at all."""
    return Level.BROKEN if flaw.path.endswith((".dataset", ".where")) else Level.WARNING


_CLOSED = "can't be read: "
_ROLES_AT_ONCE = 500


def _catalogue(backend: Backend, context: Context) -> Catalogue:
    with backend.read(context) as reading:
        return reading.datasets.catalogue()


def _attached(catalogue: Catalogue) -> list[Dataset]:
    return [dataset for dataset in catalogue.datasets if dataset.source is not None]


def _checked(dataset: Dataset, found: list[Finding]) -> Checked:
    return Checked(dataset.name, _source(dataset).connection, table_name(dataset), tuple(found))


def _source(dataset: Dataset) -> Source:
    assert dataset.source is not None  # noqa: S101 - only attached ones are looked at
    return dataset.source


def _closed(backend: Backend, context: Context, name: str) -> str | None:
    """Why a connection can't be opened, if it can't."""
    try:
        with backend.connections.browse(name, context.principal.workspace):
            return None
    except SourceUnavailable as error:
        return error.internal


def _schema_findings(backend: Backend, context: Context, dataset: Dataset) -> list[Finding]:
    try:
        with backend.connections.open(_source(dataset), context.principal.workspace) as connection:
            return [Finding(Level.BROKEN, dataset.name, words) for words in drift(connection, dataset)]
    except SourceUnavailable as error:
        return [Finding(Level.BROKEN, dataset.name, _CLOSED + error.internal)]


def _thorough(backend: Backend, context: Context, dataset: Dataset) -> list[Finding]:
    found = _schema_findings(backend, context, dataset)
    if found:
        return found
    try:
        with backend.connections.open(_source(dataset), context.principal.workspace) as connection:
            return [Finding(level, dataset.name, words) for level, words in _of_rows(connection, dataset)]
    except SourceUnavailable as error:
        return [Finding(Level.BROKEN, dataset.name, _CLOSED + error.internal)]


def _of_rows(connection: Connection, dataset: Dataset) -> Iterator[tuple[Level, str]]:
    source = _source(dataset)
    yield from _of_ids(connection, source)
    nulls, unmapped = rows_without_state(connection, dataset)
    if nulls:
        yield Level.WARNING, f"{_rows(nulls)} without a state ('{_name(source.state)}' is null): seen by nobody"
    if unmapped:
        yield Level.WARNING, f"{_rows(unmapped)} in a state that nothing maps ('{_name(source.state)}'): seen by nobody"
    if connection.dialect.name == "sqlite":
        for name, kind in dict.fromkeys((column.name, column.kind) for column, _ in mapped_columns(dataset)):
            count = misfits(connection, source, name, kind)
            if count:
                yield Level.WARNING, f"{count} values of '{name}' are not {_WORDS.get(kind, kind)}: read as missing"
        return
    if is_table(connection, source):
        yield from _advice(connection, dataset)


def _of_ids(connection: Connection, source: Source) -> Iterator[tuple[Level, str]]:
    """Without an index that keeps it unique, the id is counted."""
    table = reflect(connection, source.schema, source.table)
    column = None if table is None else table.column(source.id.name)
    if table is not None and column is not None and column.name in table.unique and not column.nullable:
        return
    found = uniqueness(connection, source.schema, source.table, source.id.name, source.id.kind)
    if not found.holds:
        counts = f"{found.rows} rows, {found.missing} without an id, {found.different} different ids"
        yield Level.BROKEN, f"the id column '{source.id.name}' no longer tells rows apart: {counts}"


def _advice(connection: Connection, dataset: Dataset) -> Iterator[tuple[Level, str]]:
    """PostgreSQL lists and ranges texts by code point only with an index that says so."""
    source = _source(dataset)
    there = sorted_by_code_point(connection, source)
    for prop in dataset.properties:
        column = prop.column
        if column is None or prop.type is not PropertyType.TEXT or column.name in there:
            continue
        if column.kind in (ColumnKind.TEXT, ColumnKind.COLLATED_TEXT):
            statement = (
                f"CREATE INDEX ON {quoted_table(source.schema, source.table)} "
                f'({quoted(column.name)} COLLATE "C", {quoted(source.id.name)})'
            )
            yield Level.ADVICE, f"lists sorted by '{prop.name}' read the whole table; if they are slow: {statement}"


def _name(column: object) -> str:
    return str(getattr(column, "name", ""))


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


_WORDS = {
    ColumnKind.TEXT: "texts",
    ColumnKind.COLLATED_TEXT: "texts",
    ColumnKind.INTEGER: "whole numbers",
    ColumnKind.ROWID: "whole numbers",
    ColumnKind.DOUBLE: "finite numbers",
    ColumnKind.BOOLEAN: "0 or 1",
    ColumnKind.DATE_TEXT: "dates like 2026-01-31",
    ColumnKind.INSTANT_TEXT: "times like 2026-01-31 10:00:00",
    ColumnKind.INSTANT_TEXT_MICROS: "times like 2026-01-31 10:00:00.000000",
    ColumnKind.UNIX_SECONDS: "seconds since 1970",
    ColumnKind.UNIX_MILLIS: "milliseconds since 1970",
    ColumnKind.UNIX_MICROS: "microseconds since 1970",
}
