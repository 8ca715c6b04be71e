"""From somebody else's table to a dataset: which column becomes what, under which name, and everything that is wrong.

Columns that were asked for must fit, or the whole is refused; of those that weren't, the ones that can't be read are
left out, and said so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import Column, ColumnKind, Property, Source, State
from bitting.core.wording import counted, joined, mark, said, told_by
from bitting.datasets.drafts import UNUSABLE_NAMES
from bitting.store.attached_checks import different_values, fitting_kinds, probe, uniqueness
from bitting.store.reflection import INSTANT_TEXTS, UNIX_KINDS, FoundColumn, FoundTable

MAX_STATES = 100
MAX_PROPERTIES = 300
ALL_ROWS = "all"

FORMATS = {
    "unixSeconds": ColumnKind.UNIX_SECONDS,
    "unixMillis": ColumnKind.UNIX_MILLIS,
    "unixMicros": ColumnKind.UNIX_MICROS,
    "text": ColumnKind.INSTANT_TEXT,
    "textMicros": ColumnKind.INSTANT_TEXT_MICROS,
}
_TEXTS = (ColumnKind.TEXT, ColumnKind.COLLATED_TEXT, ColumnKind.PADDED_TEXT, ColumnKind.UUID)
_INSTANTS = (ColumnKind.TIMESTAMP, ColumnKind.INSTANT, *INSTANT_TEXTS, *UNIX_KINDS)
# What a column may be to be used as what; the field of the request, the word in the answer.
_USES: dict[str, tuple[str, tuple[ColumnKind, ...]]] = {
    "idColumn": ("id", (*_TEXTS, ColumnKind.ROWID, ColumnKind.INTEGER)),
    "stateColumn": ("state", (*_TEXTS, ColumnKind.ENUM, ColumnKind.INTEGER, ColumnKind.BOOLEAN)),
    "authorColumn": ("author", _TEXTS),
    "createdColumn": ("createdAt", _INSTANTS),
    "updatedColumn": ("updatedAt", _INSTANTS),
}
_PART_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,62}")
_LONGEST = 63


class _Unfit(Exception):
    """Why a column can't be read as what it should be."""


@dataclass
class Mapped:
    """What a table has become; `columns` says it of each column, for people."""

    source: Source
    states: tuple[State, ...] = ()
    properties: tuple[Property, ...] = ()
    columns: list[dict[str, Any]] = field(default_factory=list)


def map_table(connection: Connection, name: str, table: FoundTable, given: dict[str, Any]) -> Mapped:
    """Maps a table.

    Args:
        connection: to the table's database.
        name: the connection's name.
        table: what was found.
        given: the request, as in DatasetAttach.

    Raises:
        InvalidInput: with every flaw.
        SourceUnavailable: the table can't be read.
    """
    return _Mapping(connection, name, table, given).made()


def fitted_name(named: str, *, taken: Collection[str] = (), lead: str = "p") -> str:
    """A name for a state or property that is as near as can be to what it stands for.

    Args:
        named: a column's name, or a value.
        taken: names that are in use, or reserved.
        lead: what stands before one that doesn't begin with a letter.
    """
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", named)
    if not name[:1].isalpha():
        name = f"{lead}_{name}"
    stem = name = name[:_LONGEST]
    count = 1
    while name in taken:
        count += 1
        name = f"{stem[: _LONGEST - 4]}_{count}"
    return name


def fitted_dataset_name(table: str) -> str:
    """A dataset's name for a table: lower-case, for it stands in URLs."""
    name = re.sub(r"[^a-z0-9_-]", "_", table.lower())
    return (name if name[:1].isalpha() else f"t_{name}")[:_LONGEST]


class _Mapping:
    def __init__(self, connection: Connection, name: str, table: FoundTable, given: dict[str, Any]) -> None:
        self._connection, self._name, self._table, self._given = connection, name, table, given
        self._flaws: list[Flaw] = []
        self._formats: dict[str, ColumnKind] = {}
        self._lines: list[dict[str, Any]] = []

    def made(self) -> Mapped:
        self._read_formats()
        used = {use: self._used(field, kinds) for field, (use, kinds) in _USES.items()}
        self._check_id(used["id"])
        states = self._states(used["state"])
        properties = self._properties({column.name for column in used.values() if column is not None})
        if self._flaws:
            raise InvalidInput(self._flaws)
        assert used["id"] is not None  # noqa: S101 - else there is a flaw
        source = Source(
            connection=self._name,
            table=self._table.name,
            id=used["id"],
            schema=self._table.schema,
            state=used["state"],
            author=used["author"],
            created=used["createdAt"],
            updated=used["updatedAt"],
        )
        names = [column.name for column in used.values() if column is not None]
        names += [prop.column.name for prop in properties if prop.column is not None]
        probe(self._connection, self._table.schema, self._table.name, dict.fromkeys(names))
        return Mapped(source, states, properties, self._lines)

    # --- columns with a meaning of their own ---

    def _read_formats(self) -> None:
        for name, form in self._given.get("datetimes", {}).items():
            column, kind = self._table.column(name), FORMATS[form]
            if column is None:
                self._flaws.append(Flaw(f"datetimes.{name}", self._no_column()))
            elif kind not in column.kinds:
                reason = said("a column of the type %(type)s is not that", type=column.declared)
                self._flaws.append(Flaw(f"datetimes.{name}", reason))
            else:
                self._formats[name] = kind

    def _used(self, given: str, kinds: tuple[ColumnKind, ...]) -> Column | None:
        name = self._given.get(given)
        if name is None:
            return None
        column = self._table.column(name)
        if column is None:
            self._flaws.append(Flaw(given, self._no_column()))
            return None
        try:
            kind = self._kind(column, kinds)
        except _Unfit as unfit:
            self._flaws.append(Flaw(given, _of_column(name, unfit)))
            return None
        self._lines.append(_line(column, _USES[given][0], kind))
        return Column(name, kind)

    def _check_id(self, used: Column | None) -> None:
        column = None if used is None else self._table.column(used.name)
        if used is None or column is None or (used.name in self._table.unique and not column.nullable):
            return
        found = uniqueness(self._connection, self._table.schema, self._table.name, used.name, used.kind)
        if not found.holds:
            reason = said(
                "the column '%(name)s' tells no two rows apart: %(rows)s, %(missing)s, %(different)s",
                name=used.name,
                rows=counted("%(num)d rows", found.rows),
                missing=counted("%(num)d without a value", found.missing),
                different=counted("%(num)d different values", found.different),
            )
            self._flaws.append(Flaw("idColumn", reason))

    def _no_column(self) -> str:
        there = ", ".join(column.name for column in self._table.columns[:50])
        return said("there is no such column; there are: %(names)s", names=there)

    # --- kinds ---

    def _kind(self, column: FoundColumn, kinds: Collection[ColumnKind] | None = None) -> ColumnKind:
        """How a column is read.

        Raises:
            _Unfit: not at all, or not as one of `kinds`.
        """
        if not column.kinds:
            raise _Unfit(said("can't be read: %(why)s", why=column.why_not))
        open_kinds = [kind for kind in column.kinds if kinds is None or kind in kinds]
        form = self._formats.get(column.name)
        if form is not None:
            open_kinds = [form] if kinds is None or form in kinds else []
        if not open_kinds:
            declares = column.declared or said("none")
            raise _Unfit(said("is of the type %(type)s, which can't be used for this", type=declares))
        declared = column.sure and open_kinds[0] is column.kinds[0]
        if self._connection.dialect.name == "sqlite" and (form is not None or not declared):
            return self._by_values(column, open_kinds, form)
        if open_kinds[0] in UNIX_KINDS and form is None:
            raise _Unfit(_SAY_FORMAT)
        return open_kinds[0]

    def _by_values(self, column: FoundColumn, kinds: list[ColumnKind], form: ColumnKind | None) -> ColumnKind:
        """SQLite declares no more than a hint: the values decide."""
        filled, fits = fitting_kinds(self._connection, self._table.name, column.name, kinds)
        if form is not None:
            if fits[form] < filled:
                raise _Unfit(
                    counted(
                        "has %(num)d values of %(filled)d that are not of the declared form",
                        filled - fits[form],
                        filled=filled,
                    )
                )
            return form
        if ColumnKind.DATE_TEXT in kinds and not filled:
            return ColumnKind.DATE_TEXT
        whole = [kind for kind in kinds if filled and fits[kind] == filled]
        clear = [kind for kind in whole if kind not in UNIX_KINDS]
        if clear:
            return clear[0]
        if not filled:
            why = _SAY_FORMAT if kinds[0] in _INSTANTS else said("no type")
            raise _Unfit(said("has no values yet, and %(why)s", why=why))
        if whole:
            raise _Unfit(_SAY_FORMAT)
        raise _Unfit(
            _mixed(filled, [said(_FORMS[kind], number=fits[kind]) for kind in kinds if fits[kind] and kind in _FORMS])
        )

    # --- states ---

    def _states(self, column: Column | None) -> tuple[State, ...]:
        given = self._given.get("states")
        if self._given.get("stateColumn") is None:
            if given is not None:
                self._flaws.append(Flaw("states", "needs a state column"))
            return (State(0, ALL_ROWS, ALL_ROWS),)
        if column is None:
            return ()
        return self._found_states(column) if given is None else self._given_states(column, given)

    def _found_states(self, column: Column) -> tuple[State, ...]:
        if column.kind is ColumnKind.BOOLEAN:
            values: list[Any] = [False, True]
        elif column.kind is ColumnKind.ENUM:
            values = list(self._options(column))
        else:
            values = different_values(
                self._connection, self._table.schema, self._table.name, column.name, column.kind, MAX_STATES + 1
            )
        if not values:
            self._flaws.append(Flaw("states", "the state column has no values yet: say which states there are"))
        if len(values) > MAX_STATES:
            reason = said(
                "the state column has more than %(most)d different values: say which states there are", most=MAX_STATES
            )
            self._flaws.append(Flaw("states", reason))
            return ()
        states: list[State] = []
        for value in values:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            name = fitted_name(text, taken=[state.name for state in states], lead="state")
            states.append(State(0, name, (text.strip() or name)[:200], (value,)))
        return tuple(states)

    def _given_states(self, column: Column, given: dict[str, list[Any]]) -> tuple[State, ...]:
        taken: set[Any] = set()
        states = []
        for name, values in given.items():
            kept: list[str | int | bool] = []
            for place, value in enumerate(values):
                path = f"states.{name}.{place}"
                try:
                    read = self._state_value(column, value)
                except _Unfit as unfit:
                    self._flaws.append(Flaw(path, told_by(unfit)))
                    continue
                if read in taken:
                    self._flaws.append(Flaw(path, "given twice"))
                taken.add(read)
                kept.append(read)
            states.append(State(0, name, name, tuple(kept)))
        return tuple(states)

    def _state_value(self, column: Column, value: object) -> str | int | bool:
        """A value of the state column; the command line gives texts."""
        if column.kind is ColumnKind.BOOLEAN:
            read = {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())
            if read is None:
                raise _Unfit("true or false is expected")
            return read
        if isinstance(value, bool):
            raise _Unfit("a text or a number is expected")
        if column.kind is ColumnKind.INTEGER:
            if not re.fullmatch(r"-?[0-9]{1,18}", str(value)):
                raise _Unfit("a whole number is expected")
            return int(str(value))
        if not isinstance(value, str):
            raise _Unfit("a text is expected")
        if column.kind is ColumnKind.ENUM and value not in self._options(column):
            known = ", ".join(self._options(column))
            raise _Unfit(said("the column's type has no such value; it has: %(known)s", known=known))
        return value

    def _options(self, column: Column) -> tuple[str, ...]:
        found = self._table.column(column.name)
        return () if found is None else found.options

    # --- properties ---

    def _properties(self, used: Collection[str]) -> tuple[Property, ...]:
        properties: list[Property] = []
        for path, column in self._wanted(used):
            try:
                kind = self._kind(column)
            except _Unfit as unfit:
                if path is None:
                    self._lines.append(_line(column, None, None, reason=told_by(unfit)))
                else:
                    self._flaws.append(Flaw(path, _of_column(column.name, unfit)))
                continue
            taken = [prop.name for prop in properties]
            name = fitted_name(column.name, taken=taken)
            if name in UNUSABLE_NAMES:
                name = fitted_name(f"column_{name}", taken=taken)
            type_, options = column.type_as(kind), column.options if kind is ColumnKind.ENUM else ()
            properties.append(
                Property(0, name, column.name[:200], type_, options=options, column=Column(column.name, kind))
            )
            self._lines.append(_line(column, "property", kind, name=name, type_=type_.value))
        if len(properties) > MAX_PROPERTIES:
            reason = said("a dataset has at most %(most)d: say which columns", most=MAX_PROPERTIES)
            self._flaws.append(Flaw("properties", reason))
        return tuple(properties)

    def _wanted(self, used: Collection[str]) -> Iterator[tuple[str | None, FoundColumn]]:
        """The columns to become properties, each with its place in the request if it was asked for."""
        given: Iterable[str] | None = self._given.get("properties")
        if given is None:
            yield from ((None, column) for column in self._table.columns if column.name not in used)
            return
        names = list(given)
        for place, name in enumerate(names):
            column = self._table.column(name)
            if column is None:
                self._flaws.append(Flaw(f"properties.{place}", self._no_column()))
            elif name in names[:place]:
                self._flaws.append(Flaw(f"properties.{place}", "given twice"))
            else:
                yield f"properties.{place}", column
        left = (column for column in self._table.columns if column.name not in {*used, *names})
        self._lines += [_line(column, None, None, reason=said("was not asked for")) for column in left]


_SAY_FORMAT = said(
    "doesn't say how its times are written: declare it in 'datetimes' (unixSeconds, unixMillis, text, …)"
)
_FORMS = {
    ColumnKind.INSTANT_TEXT: mark("%(number)d like 2026-01-31 10:00:00"),
    ColumnKind.INSTANT_TEXT_MICROS: mark("%(number)d like 2026-01-31 10:00:00.000000"),
    ColumnKind.DATE_TEXT: mark("%(number)d like 2026-01-31"),
    ColumnKind.UNIX_SECONDS: mark("%(number)d numbers"),
}


def _mixed(filled: int, forms: list[str]) -> str:
    if not forms:
        return counted("has %(num)d values of mixed or unknown forms: make them alike", filled)
    return counted(
        "has %(num)d values of mixed or unknown forms (%(forms)s): make them alike", filled, forms=joined(", ", forms)
    )


def _of_column(name: str, unfit: _Unfit) -> str:
    return said("the column '%(name)s' %(why)s", name=name, why=told_by(unfit))


def _line(
    column: FoundColumn,
    use: str | None,
    kind: ColumnKind | None,
    *,
    name: str | None = None,
    type_: str | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    return {
        "column": column.name,
        "declared": column.declared,
        "use": use,
        "property": name,
        "type": type_,
        "kind": None if kind is None else kind.value,
        "reason": reason,
    }
