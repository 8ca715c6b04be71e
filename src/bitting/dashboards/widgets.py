"""What a widget is: read with the names that its author may know, kept by ids, and written with names again.

A widget names a dataset and properties of it, by id, so that a rename keeps its meaning. One that names what was
deleted stays as it is and says so; nothing else takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from bitting.core.conditions import (
    Sort,
    load_condition,
    parse_filter,
    parse_sort,
    store_condition,
    unbound,
    write_condition,
)
from bitting.core.conditions.writing import deleted
from bitting.core.predicates import TRUE, Predicate, StateIn, Unbound, leaves
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import RESERVED_NAMES, Dataset, Property, PropertyType
from bitting.core.wording import said
from bitting.sqlalchemy.aggregates import Step
from bitting.store.record_aggregates import MEASURED, is_time
from bitting.store.records import DatasetScope

Kind = Literal["count", "sum", "average", "breakdown", "series", "table"]
Named = int | str
"""A property by its id, or a reserved name."""

MAX_WIDGETS = 50

# Beside title, dataset, kind and filter: what a kind takes, and what it needs.
TAKES: dict[Kind, frozenset[str]] = {
    "count": frozenset(),
    "sum": frozenset({"property"}),
    "average": frozenset({"property"}),
    "breakdown": frozenset({"groupBy", "property", "limit"}),
    "series": frozenset({"groupBy", "property", "step"}),
    "table": frozenset({"fields", "sort", "limit"}),
}
_NEEDS = {"sum": ("property",), "average": ("property",), "breakdown": ("groupBy",)}
_OPTIONS = ("property", "groupBy", "step", "fields", "sort", "limit")

_UNKNOWN = said("no such property")


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget, by ids; `where` is a kept condition (see conditions.keeping)."""

    title: str
    dataset: int
    kind: Kind
    prop: int | None = None
    group: Named | None = None
    where: Predicate | None = None
    step: Step | None = None
    fields: tuple[int, ...] | None = None
    sort: tuple[Named, bool] | None = None
    limit: int | None = None

    def properties(self) -> Iterator[int]:
        """The ids of all properties that it names."""
        named = [self.prop, self.group, *(self.fields or ()), *(self.sort[:1] if self.sort else ())]
        yield from (ident for ident in named if isinstance(ident, int))
        yield from (leaf.property for leaf in self._leaves() if isinstance(leaf, Unbound))

    def states(self) -> Iterator[int]:
        """The ids of all states that its filter names."""
        for leaf in self._leaves():
            if isinstance(leaf, StateIn):
                yield from leaf.states

    def _leaves(self) -> Iterator[Predicate]:
        return leaves(self.where) if self.where is not None else iter(())


# --- read ----------------------------------------------------------------------------------------


def parse_widgets(given: list[dict[str, Any]], scopes: Mapping[int, DatasetScope]) -> list[Widget]:
    """Reads widgets that name datasets, states and properties.

    Args:
        given: as on the wire, of the right shape (see schemas).
        scopes: the author's; what the author can't view is unknown.

    Raises:
        InvalidInput: with every flaw and its path; nothing unknown is ever ignored.
    """
    by_name = {scope.dataset.name: scope for scope in scopes.values() if scope.reach.any_right}
    flaws: list[Flaw] = []
    widgets: list[Widget] = []
    for index, item in enumerate(given):
        reader = _Reader(item, by_name.get(item["dataset"]))
        widgets.append(reader.widget())
        flaws += [flaw.at(f"widgets.{index}") for flaw in reader.flaws]
    if flaws:
        raise InvalidInput(flaws)
    return widgets


class _Reader:
    """Reads one widget, and collects its flaws; without a scope its dataset is unknown."""

    def __init__(self, given: dict[str, Any], scope: DatasetScope | None) -> None:
        self.given = given
        self.scope = scope
        self.kind: Kind = given["kind"]
        self.flaws: list[Flaw] = []

    def widget(self) -> Widget:
        given, kind = self.given, self.kind
        takes = TAKES[kind]
        self.flaws += [
            Flaw(name, said("not for a widget of kind %(kind)s", kind=kind))
            for name in _OPTIONS
            if name in given.keys() - takes
        ]
        self.flaws += [Flaw(name, "required") for name in _NEEDS.get(kind, ()) if name not in given]
        if self.scope is None:
            self.flaws.append(Flaw("dataset", "no such dataset"))
            return Widget(given["title"], 0, kind)
        group = self._read("groupBy", self._group)
        return Widget(
            title=given["title"],
            dataset=self.scope.dataset.id,
            kind=kind,
            prop=self._read("property", self._measured),
            group=group,
            where=self._filter(),
            step=self._read("step", lambda name: self._step(name, group)),
            fields=self._read("fields", self._fields),
            sort=self._read("sort", self._sort),
            limit=given.get("limit"),
        )

    def _read(self, name: str, parse: Callable[[Any], Any]) -> Any:
        """A field, if it is given and the kind takes it."""
        if self.given.get(name) is None or name not in TAKES[self.kind]:
            return None
        try:
            return parse(self.given[name])
        except InvalidInput as error:
            self.flaws += error.flaws
            return None

    @property
    def _known(self) -> dict[str, Property]:
        """The properties that the author may view, by name."""
        if self.scope is None:
            return {}
        known = self.scope.reach.known_to_view
        return {prop.name: prop for prop in self.scope.dataset.properties if prop.id in known}

    def _property(self, name: str, path: str) -> Property:
        prop = self._known.get(name)
        if prop is None:
            raise InvalidInput.at(path, _UNKNOWN)
        return prop

    def _measured(self, name: str) -> int:
        prop = self._property(name, "property")
        if prop.type not in MEASURED or prop.plural:
            raise InvalidInput.at("property", "must be an integer or a number, with a single value")
        return prop.id

    def _group(self, name: str) -> Named:
        if self.kind == "series":
            return self._time(name)
        if name == "state":
            return name
        if name in RESERVED_NAMES:
            raise InvalidInput.at("groupBy", "must be a property, or state")
        prop = self._property(name, "groupBy")
        if prop.plural:
            raise InvalidInput.at("groupBy", "a property with several values can't be grouped by")
        return prop.id

    def _time(self, name: str) -> Named:
        if is_time(name):
            return name
        prop = self._property(name, "groupBy")
        if not is_time(prop):
            raise InvalidInput.at("groupBy", "must be a date or a datetime with a single value, createdAt or updatedAt")
        return prop.id

    def _step(self, name: str, group: Named | None) -> str:
        prop = None if self.scope is None else self.scope.dataset.properties_by_id.get(cast("int", group))
        if name == "hour" and prop is not None and prop.type is PropertyType.DATE:
            raise InvalidInput.at("step", "a date has no hours")
        return name

    def _filter(self) -> Predicate | None:
        if self.scope is None or "filter" not in self.given:
            return None
        reach = self.scope.reach
        try:
            # Through whose eyes it looks is settled when the widget is read.
            read = parse_filter(
                self.given["filter"], reach.dataset, reach.known_to_view, lambda _: TRUE, reach.known_states
            )
        except InvalidInput as error:
            self.flaws += error.flaws
            return None
        return None if read == TRUE else unbound(read)

    def _fields(self, names: list[str]) -> tuple[int, ...]:
        known = self._known
        flaws = [Flaw(f"fields.{place}", _UNKNOWN) for place, name in enumerate(names) if name not in known]
        flaws += [Flaw(f"fields.{place}", "named twice") for place, name in enumerate(names) if name in names[:place]]
        if flaws:
            raise InvalidInput(flaws)
        return tuple(known[name].id for name in names)

    def _sort(self, given: str) -> tuple[Named, bool]:
        if self.scope is None:
            raise InvalidInput.at("sort", _UNKNOWN)
        sort: Sort = parse_sort(given, self.scope.dataset, self.scope.reach.known_to_view)
        return (sort.field.id if isinstance(sort.field, Property) else sort.field, sort.descending)


# --- kept ----------------------------------------------------------------------------------------


def store_widget(widget: Widget) -> dict[str, Any]:
    """The stored form of a widget: the fields that it has, by ids."""
    fields = {
        "title": widget.title,
        "dataset": widget.dataset,
        "kind": widget.kind,
        "property": widget.prop,
        "groupBy": widget.group,
        "filter": None if widget.where is None else store_condition(widget.where),
        "step": widget.step,
        "fields": None if widget.fields is None else list(widget.fields),
        "sort": None if widget.sort is None else list(widget.sort),
        "limit": widget.limit,
    }
    return {name: value for name, value in fields.items() if value is not None}


def load_widget(stored: Mapping[str, Any]) -> Widget:
    """Reads the stored form back."""
    return Widget(
        title=stored["title"],
        dataset=stored["dataset"],
        kind=stored["kind"],
        prop=stored.get("property"),
        group=stored.get("groupBy"),
        where=load_condition(stored["filter"]) if "filter" in stored else None,
        step=stored.get("step"),
        fields=tuple(stored["fields"]) if "fields" in stored else None,
        sort=(stored["sort"][0], stored["sort"][1]) if "sort" in stored else None,
        limit=stored.get("limit"),
    )


# --- written -------------------------------------------------------------------------------------


def name_widget(widget: Widget, dataset: Dataset | None) -> dict[str, Any]:
    """A widget with names, as it was given, and with a `problem` if it names what was deleted.

    Args:
        widget: a widget.
        dataset: the widget's dataset as it stands; None when it is gone.
    """
    known = dataset or Dataset(widget.dataset, deleted(widget.dataset), "", (), ())

    def name(named: Named) -> str:
        if isinstance(named, str):
            return named
        prop = known.properties_by_id.get(named)
        return deleted(named) if prop is None else prop.name

    fields = {
        "title": widget.title,
        "dataset": known.name,
        "kind": widget.kind,
        "property": None if widget.prop is None else name(widget.prop),
        "groupBy": None if widget.group is None else name(widget.group),
        "filter": None if widget.where is None else write_condition(widget.where, known),
        "step": widget.step,
        "fields": None if widget.fields is None else [name(field) for field in widget.fields],
        "sort": None if widget.sort is None else f"{'-' if widget.sort[1] else ''}{name(widget.sort[0])}",
        "limit": widget.limit,
        "problem": problem_of(widget, dataset),
    }
    return {name: value for name, value in fields.items() if value is not None}


def problem_of(widget: Widget, dataset: Dataset | None) -> str | None:
    """What is wrong with a widget as things stand; None when nothing is."""
    if dataset is None:
        return said("Its dataset was deleted.")
    gone = [ident for ident in widget.properties() if ident not in dataset.properties_by_id]
    if gone:
        return said("It names a property that was deleted.")
    if any(ident not in dataset.states_by_id for ident in widget.states()):
        return said("Its filter names a state that was deleted.")
    return None


def is_known(widget: Widget, scope: DatasetScope | None) -> bool:
    """Whether all that a widget names exists for whoever sees with this scope."""
    if scope is None or not scope.reach.any_right:
        return False
    return scope.reach.known_to_view.issuperset(widget.properties()) and scope.reach.known_states.issuperset(
        widget.states()
    )
