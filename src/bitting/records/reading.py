"""Reading records through a principal's eyes: scopes, lists, one record, and how they are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bitting.api.pages import PageRequest, decode_cursor, encode_cursor
from bitting.backend import Backend, Context, Reading
from bitting.core.conditions import Sort, parse_filter, parse_sort
from bitting.core.errors import NotFound
from bitting.core.jsontext import Malformed, parse
from bitting.core.predicates import TRUE, Predicate, StateIn, all_of
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import Dataset
from bitting.core.values import answer_value, format_instant
from bitting.store.records import DatasetScope, RecordRow, scopes_of

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
        row = reading.records.visible(scope, record_id)
        if row is None:
            raise NotFound
        return record_view(row, scope)


def scopes_for(reading: Reading) -> dict[int, DatasetScope]:
    """The principal's scopes in all datasets of the workspace."""
    principal = reading.principal
    return scopes_of(reading.datasets.catalogue(), principal.roles, principal.user_id)


def find_scope(scopes: Mapping[int, DatasetScope], dataset: str) -> DatasetScope:
    """The scope of a dataset by name; one on which the role gives no right does not exist.

    Raises:
        NotFound: there is no such dataset for the principal.
    """
    for scope in scopes.values():
        if scope.dataset.name == dataset and scope.reach.any_right:
            return scope
    raise NotFound


def record_view(row: RecordRow, scope: DatasetScope) -> dict[str, Any]:
    """A record as it is answered: a hidden cell is absent, an empty one null."""
    dataset = scope.dataset
    return {
        "id": row.id,
        "dataset": dataset.name,
        "state": dataset.states_by_id[row.state_id].name,
        "properties": {
            prop.name: answer_value(prop, row.cells[prop.id]) for prop in dataset.properties if prop.id in row.cells
        },
        "author": row.author,
        "createdAt": format_instant(row.created_at),
        "updatedAt": format_instant(row.updated_at),
        "archivedAt": None if row.archived_at is None else format_instant(row.archived_at),
    }


# --- lists ---------------------------------------------------------------------------------------


def _one_dataset(reading: Reading, scope: DatasetScope, asked: ListRequest) -> dict[str, Any]:
    chosen = _select(scope, asked)
    kind = f"{_CURSOR}:{scope.dataset.id}:{asked.sort or ''}"
    after = _after(asked, kind)
    rows, position = _from_query(
        lambda: reading.records.page(
            scope,
            limit=asked.page.limit,
            where=chosen.where,
            sort=chosen.sort,
            fields=chosen.fields,
            archived=asked.archived,
            after=after,
        )
    )
    answer: dict[str, Any] = {
        "items": [record_view(row, scope) for row in rows],
        "nextCursor": None if position is None else encode_cursor(kind, position),
    }
    if asked.page.count:
        answer["total"] = reading.records.count(scope, chosen.where, asked.archived)
    return answer


def _everywhere(reading: Reading, scopes: Mapping[int, DatasetScope], asked: ListRequest) -> dict[str, Any]:
    flaws = [
        Flaw(f"query.{name}", "needs 'dataset': it is about one dataset's properties and states")
        for name in ("state", "filter", "sort", "fields")
        if getattr(asked, name) is not None
    ]
    if flaws:
        raise InvalidInput(flaws)
    open_scopes = [scope for scope in scopes.values() if scope.reach.any_right]
    after = _after(asked, _CURSOR)
    rows, position = _from_query(
        lambda: reading.records.page_everywhere(
            open_scopes, limit=asked.page.limit, archived=asked.archived, after=after
        )
    )
    answer: dict[str, Any] = {
        "items": [record_view(row, scopes[row.dataset_id]) for row in rows],
        "nextCursor": None if position is None else encode_cursor(_CURSOR, position),
    }
    if asked.page.count:
        answer["total"] = reading.records.count_everywhere(open_scopes, asked.archived)
    return answer


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
    condition = parse_filter(given, scope.dataset, reach.known_to_view, scope.shown, reach.known_states, "query.filter")
    return all_of([from_state, condition])


def _state(dataset: Dataset, scope: DatasetScope, name: str | None) -> Predicate:
    if name is None:
        return TRUE
    state = dataset.states_by_name.get(name)
    if state is None or state.id not in scope.reach.known_states:
        raise InvalidInput.at("query.state", "no such state")
    return StateIn(frozenset([state.id]))
