"""Anybody's own `select()`, narrowed to what a principal may read.

How: the statement is built anew from the parts that are known (see `expressions`), over one table. Where a column of
the table stood, there stands the column itself if its cell is shown in every row that exists for the principal, and
otherwise `CASE WHEN shown THEN column END`: NULL where the cell is hidden, in the list, in WHERE, ORDER BY, GROUP BY,
HAVING and in whatever is reckoned with it. The rows that exist are one condition more in WHERE. Whatever is not
known (a join, a subquery, a text) is refused, for it could see past the masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, NoReturn, cast
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Column, Select, Table, case
from sqlalchemy.orm import InstrumentedAttribute, Mapper
from sqlalchemy.sql import elements as el
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import _OffsetLimitParam

from bitting.core.data_access import DataAccess, DataAction, Extent
from bitting.core.data_access_reading import read_access
from bitting.sqlalchemy.errors import NotCovered
from bitting.sqlalchemy.expressions import bare, conjuncts, filtered, masked, sought
from bitting.sqlalchemy.rows import VisibleRows
from bitting.sqlalchemy.selected import Fields, Shown

Access = DataAccess | Mapping[str, Any] | Literal["always", "never"]
"""What a verification answers under `data`, or that as `read_access` reads it."""

ColumnOf = Column[Any] | InstrumentedAttribute[Any] | str
"""A column of the statement's table: itself, the attribute that it is mapped to, or the name of one of the two."""


def visible(
    statement: Select[Any],
    access: Access,
    *,
    dataset: str,
    id: ColumnOf | None = None,
    state: ColumnOf | None = None,
    author: ColumnOf | None = None,
    created: ColumnOf | None = None,
    updated: ColumnOf | None = None,
    state_values: Mapping[str, object] | None = None,
    columns: Mapping[str, ColumnOf] | None = None,
) -> Select[Any]:
    """A select over one table, narrowed to what an access shows.

    Args:
        statement: of the table, its mapped class, or columns of it. It is not changed.
        access: what verifying a key for this dataset and the action `read` answered under `data`.
        dataset: the name of the dataset that the table's rows are records of; an access to another is refused.
        id, state, author, created, updated: the columns of a record's reserved names, shown in every row that exists;
            `id` is the primary key where that is one column.
        state_values: what the state column holds for a state, a value or a list of them; its name where none is given.
        columns: the columns of properties whose columns have other names.

    Returns:
        A select to be executed as it is: conditions that are added to it are not masked, and are refused. In place of
        mapped instances it gives read-only objects with the names of the mapped attributes.

    Raises:
        NotCovered: for a statement or a mapping for which it can't be made sure.
        InvalidInput: when the access is malformed.
    """
    if type(statement) is not Select:
        raise NotCovered(f"visible() takes a select(), not {type(statement).__name__}")
    read = access if isinstance(access, DataAccess) else read_access(access)
    _check_access(read, dataset)
    _check_parts(statement)
    source = _Source.of(statement)
    named = {"id": id, "state": state, "author": author, "createdAt": created, "updatedAt": updated}
    fields = _fields(source, named, state_values or {}, columns or {})
    return _Narrowed(statement, source, _shown(read, fields), everything=read.extent is Extent.ALL).built()


def _check_access(access: DataAccess, dataset: str) -> None:
    if access.extent is not Extent.PART:
        return
    if access.dataset.name != dataset:
        raise NotCovered(f"the access is to '{access.dataset.name}', not to '{dataset}'")
    if access.action is not DataAction.READ:
        raise NotCovered(f"the access is for '{access.action}', not for 'read'")


_KEPT: WeakKeyDictionary[DataAccess, dict[Fields, Shown]] = WeakKeyDictionary()
_KEEPING = Lock()


def _shown(access: DataAccess, fields: Fields) -> Shown:
    """What an access shows of a table; kept with the access, for whoever asks several times with the same."""
    with _KEEPING:
        kept = _KEPT.setdefault(access, {})
        return kept.get(fields) or kept.setdefault(fields, Shown(access, fields))


# --- the parts of a statement --------------------------------------------------------------------

_TAKEN = frozenset({
    "_raw_columns", "_from_obj", "_where_criteria", "_having_criteria", "_order_by_clauses", "_group_by_clauses",
    "_limit_clause", "_offset_clause", "_distinct",
})  # fmt: skip
# What SQLAlchemy sets by itself, and nobody else: the ORM's plugin, and how labels are told apart.
_OWN = frozenset({"_propagate_attrs", "_label_style", "_compile_options"})
_WORDS = {
    "_setup_joins": "a join",
    "_correlate": "correlate()",
    "_correlate_except": "correlate_except()",
    "_fetch_clause": "fetch(); use limit()",
    "_for_update_arg": "with_for_update()",
    "_distinct_on": "distinct() on columns",
    "_prefixes": "a prefix",
    "_suffixes": "a suffix",
    "_hints": "a hint",
    "_statement_hints": "a hint",
    "_with_options": "a loader option",
    "_independent_ctes": "a CTE",
    "_params": "params()",
}


def _check_parts(statement: Select[Any]) -> None:
    """Nothing of the statement is passed over: what determines it is what SQLAlchemy keeps it by."""
    for name, _ in cast("Iterable[tuple[str, object]]", Select._cache_key_traversal):
        if name in _TAKEN or name in _OWN:
            continue
        part = getattr(statement, name, None)
        if part is None or part is False or (isinstance(part, Sized) and not len(part)):
            continue
        raise NotCovered(f"{_WORDS.get(name, name.strip('_'))} is not covered")
    if statement._label_style is not sa.LABEL_STYLE_DEFAULT:
        raise NotCovered("a label style is not covered")


@dataclass(frozen=True)
class _Source:
    """The one table that a statement is over, and the mapper by which it was named, if it was."""

    table: Table
    mapper: Mapper[Any] | None

    @classmethod
    def of(cls, statement: Select[Any]) -> _Source:
        tables: dict[Table, None] = {}
        mappers: dict[Any, None] = {}
        for element in (*statement._raw_columns, *statement._from_obj):
            for part in visitors.iterate(element):
                entity = part._annotations.get("parententity")
                if entity is not None:
                    mappers[entity] = None
                plain = bare(part)
                if type(plain) is Table:
                    tables[plain] = None
                elif type(plain) is Column and plain.table is not None:
                    tables[_table_of(plain)] = None
        if len(tables) != 1 or len(mappers) > 1:
            raise NotCovered("a select() over one table, or the class mapped to it, is covered, and no other")
        source = cls(next(iter(tables)), next(iter(mappers), None))
        if source.mapper is not None:
            _check_mapper(source.mapper, source.table)
        return source

    @property
    def entity(self) -> Any:
        return self.table if self.mapper is None else self.mapper

    def named(self) -> dict[str, Column[Any] | None]:
        """The attributes that are mapped, or else the table's columns; None for one that is no column."""
        if self.mapper is None:
            return {column.key: column for column in self.table.columns}
        found: dict[str, Column[Any] | None] = {}
        for attribute in self.mapper.column_attrs:
            column = bare(attribute.columns[0])
            own = len(attribute.columns) == 1 and type(column) is Column and column.table is self.table
            found[attribute.key] = column if own else None
        return found

    def column(self, given: ColumnOf) -> Column[Any]:
        """A column that the caller names."""
        if isinstance(given, str):
            found = self.named().get(given)
            found = self.table.columns.get(given) if found is None else found
        else:
            found = bare(given.__clause_element__() if isinstance(given, InstrumentedAttribute) else given)
        if type(found) is not Column or found.table is not self.table:
            raise NotCovered(f"{given} is no column of {self.table.name}")
        return found


def _table_of(column: Column[Any]) -> Table:
    table = column.table
    if type(table) is not Table:
        raise NotCovered(f"a column of {type(table).__name__} is not covered")
    return table


def _check_mapper(mapper: Any, table: Table) -> None:
    if not isinstance(mapper, Mapper):
        raise NotCovered("an alias is not covered")
    if mapper.persist_selectable is not table:
        raise NotCovered(f"{mapper.class_.__name__} is mapped to more than a table")
    if mapper.inherits is not None or mapper.polymorphic_on is not None:
        raise NotCovered(f"{mapper.class_.__name__} is one of several classes mapped to a table")


def _fields(
    source: _Source,
    named: Mapping[str, ColumnOf | None],
    state_values: Mapping[str, object],
    columns: Mapping[str, ColumnOf],
) -> Fields:
    reserved = {name: source.column(given) for name, given in named.items() if given is not None}
    key = list(source.table.primary_key.columns)
    if "id" not in reserved and len(key) == 1:
        reserved["id"] = key[0]
    by_name = {column.key: column for column in source.table.columns}
    by_name |= {name: column for name, column in source.named().items() if column is not None}
    taken = {name: source.column(given) for name, given in columns.items()}
    properties = {name: column for name, column in by_name.items() if column not in taken.values()} | taken
    values = {
        name: tuple(given) if isinstance(given, list | tuple | set | frozenset) else (given,)
        for name, given in state_values.items()
    }
    return Fields(reserved, properties, values)


# --- the statement built anew --------------------------------------------------------------------


class VisibleSelect(Select[Any]):
    """A select that has been narrowed. What would add to it unmasked is refused: `visible()` comes last.

    Options pass: a session may have criteria of its own for each statement, and they only narrow.
    """

    inherit_cache = True

    def _closed(self, *_: object, **__: object) -> NoReturn:
        raise NotCovered("visible() comes last: what is added to its statement would not be narrowed")

    add_columns = column = with_only_columns = _closed
    where = filter = filter_by = having = order_by = group_by = distinct = _closed
    select_from = join = join_from = outerjoin = outerjoin_from = _closed
    correlate = correlate_except = with_for_update = _closed
    prefix_with = suffix_with = with_hint = with_statement_hint = add_cte = reduce_columns = ext = _closed


class _Narrowed:
    """One statement on its way."""

    def __init__(self, statement: Select[Any], source: _Source, shown: Shown, *, everything: bool) -> None:
        self.statement, self.source, self.shown, self.everything = statement, source, shown, everything
        self._cells: dict[tuple[Column[Any], bool], ColumnElement[Any]] = {}

    def built(self) -> Select[Any]:
        statement = self.statement
        columns = [column for given in statement._raw_columns for column in self._columns(given)]
        self._check_from()
        parts: dict[str, Any] = {
            "_where_criteria": tuple(self._criteria()),
            "_having_criteria": self._masked(statement._having_criteria),
            "_order_by_clauses": self._masked(statement._order_by_clauses),
            "_group_by_clauses": self._masked(statement._group_by_clauses),
            "_limit_clause": _literal(statement._limit_clause),
            "_offset_clause": _literal(statement._offset_clause),
            "_distinct": statement._distinct,
        }
        narrowed = Select.select_from(VisibleSelect(*columns), self.source.entity)
        narrowed.__dict__.update({name: part for name, part in parts.items() if part is not None})
        narrowed._execution_options = statement._execution_options
        return narrowed

    def _check_from(self) -> None:
        for element in self.statement._from_obj:
            if bare(element) is not self.source.table:
                raise NotCovered("select_from() of anything but the table is not covered")

    # --- what is selected ---

    def _columns(self, given: Any) -> Iterator[Any]:
        plain = bare(given)
        if plain is self.source.table:
            mapper = given._annotations.get("parententity")
            if mapper is not None:
                yield self._instances(mapper)
            else:
                yield from (self._cell(column).label(column.key) for column in self.source.table.columns)
        elif type(plain) is Column:
            name = given._annotations.get("proxy_key", plain.key)
            yield masked(plain, self._cell).label(name)
        elif type(plain) is el.ClauseList:
            raise NotCovered("several columns as one (a bundle, a composite) are not covered")
        elif type(plain) is el.Label:
            yield masked(plain.element, self._cell).label(plain.name)
        else:
            yield masked(plain, self._cell)

    def _instances(self, mapper: Mapper[Any]) -> VisibleRows:
        """In place of an entity; an attribute that is no column of the table is NULL."""
        named = self.source.named().items()
        cells = (sa.null().label(name) if column is None else self._cell(column).label(name) for name, column in named)
        return VisibleRows(mapper.class_.__name__, *cells)

    # --- what is masked ---

    def _masked(self, elements: Any) -> tuple[Any, ...]:
        return tuple(masked(element, self._cell) for element in elements)

    def _cell(self, column: Column[Any]) -> ColumnElement[Any]:
        return self._mask(column, anywhere=False)

    def _cell_anywhere(self, column: Column[Any]) -> ColumnElement[Any]:
        return self._mask(column, anywhere=True)

    def _mask(self, column: Column[Any], *, anywhere: bool) -> ColumnElement[Any]:
        if column.table is not self.source.table:
            raise NotCovered(f"a column of another table ({column}) is not covered")
        if self.everything:
            return column
        known = self._cells.get((column, anywhere))
        if known is None:
            condition = self.shown.cell(column, anywhere=anywhere)
            known = column if condition.constant else case((condition, column))
            self._cells[column, anywhere] = known
        return known

    def _criteria(self) -> Iterator[ColumnElement[Any]]:
        """The rows that exist, and what the statement asks of them."""
        if not self.everything and self.shown.rows.constant is not True:
            yield self.shown.rows
        for element in conjuncts(self.statement._where_criteria):
            column = None if self.everything else sought(element)
            if column is None:
                yield filtered(element, self._cell, self._cell_anywhere)
                continue
            self._cell(column)  # refuses one of another table
            condition = self.shown.cell(column, anywhere=False)
            if condition.constant is not True:
                yield condition
            yield filtered(element, lambda plain: plain, self._cell_anywhere)


def _literal(clause: Any) -> Any:
    if clause is not None and type(bare(clause)) not in (_OffsetLimitParam, sa.BindParameter):
        raise NotCovered("a limit or offset is a number")
    return clause
