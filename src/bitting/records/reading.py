"""Reading records through a principal's eyes: scopes, lists, one record, and how they are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bitting.api.pages import PageRequest, decode_cursor, encode_cursor
from bitting.api.records import find_scope, record_view, scopes_for
from bitting.backend import Backend, Context, Reading
from bitting.core.conditions import Sort, parse_filter, parse_sort
from bitting.core.errors import NotFound
from bitting.core.jsontext import Malformed, parse
from bitting.core.predicates import TRUE, Predicate, StateIn, all_of
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import Dataset
from bitting.store.records import DatasetScope, Position

_CURSOR = "records"
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a list of records asks for."""

    page: PageRequest
    dataset: str | None = None
    state: str | None = None
    filter: str | None = None
    sort: str | None = None
    fields: str | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class _Selection:
    """The parts of a list of one dataset."""

    where: Predicate
    sort: Sort | None
    fields: frozenset[int] | None


def list_records(backend: Backend, context: Context, asked: ListRequest) -> dict[str, Any]:
    """A page of records: of one dataset, or what is visible in all of them, newest first."""
    with backend.read(context) as reading:
        scopes = scopes_for(reading)
        if asked.dataset is None:
            return _everywhere(reading, scopes, asked)
        return _one_dataset(reading, find_scope(scopes, asked.dataset), asked)


def read_record(backend: Backend, context: Context, dataset: str, record_id: str) -> dict[str, Any]:
    """One record."""
    with backend.read(context) as reading:
        scope = find_scope(scopes_for(reading), dataset)
        row = reading.source(scope.dataset).visible(scope, record_id)
        if row is None:
            raise NotFound
        return record_view(row, scope)


# --- lists ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """A stretch of a list: records as they are answered, and the position to go on from, None at the end."""

    items: list[dict[str, Any]]
    position: Position | None
    total: int | None = None


def _one_dataset(reading: Reading, scope: DatasetScope, asked: ListRequest) -> dict[str, Any]:
    kind = f"{_CURSOR}:{scope.dataset.id}:{asked.sort or ''}"
    listed = list_dataset(reading, scope, asked, asked.page.limit, _after(asked, kind))
    return _answer(listed, kind)


def _everywhere(reading: Reading, scopes: Mapping[int, DatasetScope], asked: ListRequest) -> dict[str, Any]:
    return _answer(list_everywhere(reading, scopes, asked, asked.page.limit, _after(asked, _CURSOR)), _CURSOR)


def _answer(listed: Listed, kind: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "items": listed.items,
        "nextCursor": None if listed.position is None else encode_cursor(kind, listed.position),
    }
    return answer if listed.total is None else {**answer, "total": listed.total}


def list_dataset(reading: Reading, scope: DatasetScope, asked: ListRequest, limit: int, after: object) -> Listed:
    """Records of one dataset from a position on."""
    chosen = _select(scope, asked)
    source = reading.source(scope.dataset)
    rows, position = _from_query(
        lambda: source.page(
            scope,
            limit=limit,
            where=chosen.where,
            sort=chosen.sort,
            fields=chosen.fields,
            archived=asked.archived,
            after=after,
        )
    )
    total = source.count(scope, chosen.where, asked.archived) if asked.page.count else None
    return Listed([record_view(row, scope) for row in rows], position, total)


def list_everywhere(
    reading: Reading, scopes: Mapping[int, DatasetScope], asked: ListRequest, limit: int, after: object
) -> Listed:
    """Records of all managed datasets, newest first, from a position on."""
    flaws = [
        Flaw(f"query.{name}", "needs 'dataset': it is about one dataset's properties and states")
        for name in ("state", "filter", "sort", "fields")
        if getattr(asked, name) is not None
    ]
    if flaws:
        raise InvalidInput(flaws)
    open_scopes = [scope for scope in scopes.values() if scope.reach.any_right and scope.dataset.source is None]
    rows, position = _from_query(
        lambda: reading.records.page_everywhere(open_scopes, limit=limit, archived=asked.archived, after=after)
    )
    total = reading.records.count_everywhere(open_scopes, asked.archived) if asked.page.count else None
    return Listed([record_view(row, scopes[row.dataset_id]) for row in rows], position, total)


def _after(asked: ListRequest, kind: str) -> list[Any] | None:
    return None if asked.page.cursor is None else decode_cursor(asked.page.cursor, kind)


def _from_query(page: Callable[[], Found]) -> Found:
    """What the store finds wrong with a position came in the query."""
    try:
        return page()
    except InvalidInput as error:
        raise error.under("query") from None


def _select(scope: DatasetScope, asked: ListRequest) -> _Selection:
    """The filter, order and fields of a list, each naming only what the principal may view."""
    dataset, known = scope.dataset, scope.reach.known_to_view
    flaws: list[Flaw] = []
    where: Predicate = TRUE
    sort: Sort | None = None
    fields: frozenset[int] | None = None
    try:
        where = _filter(scope, asked)
    except InvalidInput as error:
        flaws += error.flaws
    try:
        sort = None if asked.sort is None else parse_sort(asked.sort, dataset, known, "query.sort")
    except InvalidInput as error:
        flaws += error.flaws
    if asked.fields is not None:
        names = {prop.name: prop.id for prop in dataset.properties if prop.id in known}
        wanted = asked.fields.split(",") if asked.fields else []
        flaws += [Flaw("query.fields", "no such property") for name in wanted if name not in names]
        fields = frozenset(names[name] for name in wanted if name in names)
    if flaws:
        raise InvalidInput(flaws)
    return _Selection(where, sort, fields)


def _filter(scope: DatasetScope, asked: ListRequest) -> Predicate:
    from_state = _state(scope.dataset, scope, asked.state)
    if asked.filter is None:
        return from_state
    try:
        given = parse(asked.filter.encode("utf-8", "surrogatepass"))
    except Malformed:
        raise InvalidInput.at("query.filter", "a condition as JSON is expected") from None
    except InvalidInput as error:
        raise error.under("query.filter") from None
    reach = scope.reach
    condition = parse_filter(
        given,
        scope.dataset,
        reach.known_to_view,
        scope.masked,
        reach.known_states,
        "query.filter",
        has_user=reach.has_user,
    )
    return all_of([from_state, condition])


def _state(dataset: Dataset, scope: DatasetScope, name: str | None) -> Predicate:
    if name is None:
        return TRUE
    state = dataset.states_by_name.get(name)
    if state is None or state.id not in scope.reach.known_states:
        raise InvalidInput.at("query.state", "no such state")
    return StateIn(frozenset([state.id]))
