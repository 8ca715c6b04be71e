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


@dataclass(frozen=True, slots=True)
class State:
    """A state of a dataset; a record is always in exactly one."""

    id: int
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Property:
    """A typed field of a dataset.

    `options` are the allowed texts of a `choice`; `links_to` is the dataset id of a `record` link.
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


@dataclass(frozen=True)
class Dataset:
    """A dataset's schema as it stands; immutable, so that a request sees one schema throughout."""

    id: int
    name: str
    title: str
    states: tuple[State, ...]
    properties: tuple[Property, ...]

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
