"""What a dataset is made of: states and typed properties, each with an id that is never reused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class PropertyType(StrEnum):
    """The types a property may have; a property's type never changes."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    USER = "user"
    RECORD = "record"


# Names that every record answers to, usable in filters and sorts (DESIGN §4).
RESERVED_NAMES = frozenset({"id", "state", "author", "createdAt", "updatedAt"})


class ColumnKind(StrEnum):
    """How a column of an attached table keeps its values: it decides how they are compared and read."""

    TEXT = "text"
    COLLATED_TEXT = "collatedText"  # its own collation may call different texts equal: compared by code point instead
    PADDED_TEXT = "paddedText"  # char(n)
    ENUM = "enum"  # PostgreSQL's enumerated types
    UUID = "uuid"
    INTEGER = "integer"
    ROWID = "rowid"  # SQLite: INTEGER PRIMARY KEY, which takes nothing but integers
    DOUBLE = "double"
    REAL = "real"  # four bytes
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"  # without time zone: taken as UTC
    INSTANT = "instant"  # with time zone
    DATE_TEXT = "dateText"  # SQLite: 2026-01-31
    INSTANT_TEXT = "instantText"  # SQLite: 2026-01-31 10:00:00, UTC
    INSTANT_TEXT_MICROS = "instantTextMicros"  # SQLite: 2026-01-31 10:00:00.000000, UTC
    UNIX_SECONDS = "unixSeconds"
    UNIX_MILLIS = "unixMillis"
    UNIX_MICROS = "unixMicros"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an attached table."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attached dataset's records stand: a table or view behind a connection that the settings name.

    Columns that aren't named here, or by a property, are never read. Without a `state` column all rows are in the
    dataset's only state. Columns of reserved names that are None are missing in every record.
    """

    connection: str
    table: str
    id: Column
    schema: str | None = None
    state: Column | None = None
    author: Column | None = None
    created: Column | None = None
    updated: Column | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A state of a dataset; a record is always in exactly one.

    `values` are what an attached table's state column holds for it.
    """

    id: int
    name: str
    title: str
    values: tuple[str | int | bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Property:
    """A typed field of a dataset.

    `options` are the allowed texts of a `choice`; `links_to` is the dataset id of a `record` link; `column` is where
    an attached dataset keeps it.
    """

    id: int
    name: str
    title: str
    type: PropertyType
    required: bool = False
    plural: bool = False
    indexed: bool = False
    options: tuple[str, ...] = ()
    links_to: int | None = None
    column: Column | None = None


@dataclass(frozen=True)
class Dataset:
    """A dataset's schema as it stands; immutable, so that a request sees one schema throughout.

    `source` is None for a managed dataset, whose records Bitting keeps.
    """

    id: int
    name: str
    title: str
    states: tuple[State, ...]
    properties: tuple[Property, ...]
    source: Source | None = None

    @cached_property
    def states_by_id(self) -> dict[int, State]:
        return {state.id: state for state in self.states}

    @cached_property
    def states_by_name(self) -> dict[str, State]:
        return {state.name: state for state in self.states}

    @cached_property
    def properties_by_id(self) -> dict[int, Property]:
        return {prop.id: prop for prop in self.properties}

    @cached_property
    def properties_by_name(self) -> dict[str, Property]:
        return {prop.name: prop for prop in self.properties}


@dataclass(frozen=True)
class Catalogue:
    """All datasets of one workspace, by id and by name."""

    datasets: tuple[Dataset, ...]

    @classmethod
    def of(cls, datasets: Iterable[Dataset]) -> Catalogue:
        return cls(tuple(datasets))

    @cached_property
    def by_id(self) -> dict[int, Dataset]:
        return {dataset.id: dataset for dataset in self.datasets}

    @cached_property
    def by_name(self) -> dict[str, Dataset]:
        return {dataset.name: dataset for dataset in self.datasets}
