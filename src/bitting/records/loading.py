"""Loads rows into a dataset, batch by batch, each a transaction.

Within a batch's transaction whoever imports is resolved afresh, and the schema is held and compared with the one that
the rows were read by; users and linked records are looked up for the whole batch at once, and so are outside ids that
are there already. Each record is judged as if it were created by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from bitting.api.records import scopes_for
from bitting.backend import Backend, Change, Context
from bitting.core.conditions import Sort
from bitting.core.ids import new_id
from bitting.core.jsontext import canonical
from bitting.core.predicates import Comparison
from bitting.core.problems import Flaw
from bitting.core.schema import Property, PropertyType
from bitting.core.wording import said
from bitting.records.importing import Draft, Importing, named, references
from bitting.records.rows import Row
from bitting.records.writing import MAX_RECORD_BYTES, facts_of
from bitting.store.records import MAX_INDEXED_BYTES, DatasetScope, StoredRecord

BATCH = 1000
MAX_SHOWN = 20
_MAX_DUPLICATES_SHOWN = 5


@dataclass
class Report:
    """What became of the rows; `loaded` counts what is committed."""

    rows: int = 0
    loaded: int = 0
    duplicates: int = 0
    bad: int = 0
    duplicate_lines: list[int] = field(default_factory=list)
    errors: list[tuple[int, Flaw]] = field(default_factory=list)


Tell = Callable[[int, Flaw], None]


class ImportStopped(Exception):
    """The import can't go on, in words for whoever began it; what was loaded stays."""


class Loader:
    """Loads rows into one dataset.

    Args:
        backend: where.
        context: who imports, by the call that creates records.
        importing: how the rows are read: of the dataset as whoever imports knows it.
        tell: is told of each bad row's flaws, in the order of the file.
    """

    def __init__(self, backend: Backend, context: Context, importing: Importing, tell: Tell) -> None:
        self.report = Report()
        self._backend, self._context, self._importing, self._tell = backend, context, importing, tell
        self._users = references(importing.dataset, PropertyType.USER)
        self._links = references(importing.dataset, PropertyType.RECORD)
        self._indexed = [prop for prop in importing.dataset.properties if prop.indexed]
        self._created = 0

    def load(self, rows: Iterable[Row], *, keep: Callable[[], bool] = lambda: True) -> Iterator[Report]:
        """Loads them all; yields the report after each batch, which is committed then.

        keep: asked before each batch whether it is to be loaded, or only looked at.

        Raises:
            ImportStopped: the dataset, or what whoever imports may do, is no longer what it was.
            Refused: whoever imports has lost what creating records needs.
        """
        rest = iter(rows)
        while batch := list(islice(rest, BATCH)):
            self.report.rows += len(batch)
            with self._backend.change_records(self._context) as change:
                loaded = self._batch(change, batch, keep=keep())
            self.report.loaded += loaded
            yield self.report

    def _batch(self, change: Change, batch: list[Row], *, keep: bool) -> int:
        scope = self._scope(change)
        good = [(row.line, row.draft) for row in self._judged(change, scope, batch) if row.draft is not None]
        fresh = self._new_ones(change, scope, good)
        if keep:
            change.records.insert_many(self._stored(change, draft) for draft in fresh)
        return len(fresh)

    def _scope(self, change: Change) -> DatasetScope:
        """The dataset as it stands, its schema held for this transaction; and who asks, after the wait."""
        dataset = self._importing.dataset
        change.datasets.share(dataset.id)
        change.refresh()
        if change.principal.roles != self._context.principal.roles:
            raise ImportStopped("What you may do was changed during the import. Look at it, and run the import again.")
        if change.shown(change.datasets.catalogue()).by_id.get(dataset.id) != dataset:
            raise ImportStopped("The dataset was changed during the import. Look at it, and run the import again.")
        return scopes_for(change)[dataset.id]

    def _judged(self, change: Change, scope: DatasetScope, batch: list[Row]) -> Iterator[Row]:
        """The good rows; tells of the others."""
        drafts = [row.draft for row in batch if row.draft is not None]
        users = {prop: change.users.existing(_all_named(drafts, prop)) for prop in self._users}
        links = {prop: self._linked(change, scope, drafts, prop) for prop in self._links}
        for row in batch:
            flaws = list(row.flaws)
            if row.draft is not None:
                flaws += _missing(row.draft, users, said("no such user"))
                flaws += _missing(row.draft, links, said("no such record"))
                flaws += [Flaw(prop.name, _TOO_LONG) for prop in self._indexed if _too_long(row.draft, prop)]
                flaws = flaws or _refusal(change, scope, row.draft)
            if flaws:
                self._bad(row.line, flaws)
            else:
                yield row

    def _linked(self, change: Change, scope: DatasetScope, drafts: list[Draft], prop: Property) -> set[str]:
        target = None if prop.links_to is None else scope.links.get(prop.links_to)
        return set() if target is None else change.records.link_targets_visible(target, _all_named(drafts, prop))

    def _bad(self, line: int, flaws: list[Flaw]) -> None:
        self.report.bad += 1
        for flaw in flaws:
            self._tell(line, flaw)
            if len(self.report.errors) < MAX_SHOWN:
                self.report.errors.append((line, flaw))

    def _new_ones(self, change: Change, scope: DatasetScope, good: list[tuple[int, Draft]]) -> list[Draft]:
        """Those whose outside id isn't in the dataset yet, the first of each."""
        prop = self._importing.id_property
        if prop is None:
            return [draft for _, draft in good]
        there = _standing(change, scope, prop, [draft.outside_id for _, draft in good])
        fresh = []
        for line, draft in good:
            if draft.outside_id in there:
                self.report.duplicates += 1
                if len(self.report.duplicate_lines) < _MAX_DUPLICATES_SHOWN:
                    self.report.duplicate_lines.append(line)
            else:
                there.add(draft.outside_id)
                fresh.append(draft)
        return fresh

    def _stored(self, change: Change, draft: Draft) -> StoredRecord:
        # One after the other: lists by age keep the order of the file.
        self._created = max(self._created + 1, change.now)
        return StoredRecord(
            id=new_id("rec"),
            dataset_id=self._importing.dataset.id,
            state_id=draft.state_id,
            author=change.principal.user_id,
            data=draft.data,
            created_at=self._created,
            updated_at=self._created,
        )


_TOO_LONG = said("an indexed text has at most %(most)d bytes", most=MAX_INDEXED_BYTES)
_TOO_LARGE = said("has more than %(most)d bytes as JSON", most=MAX_RECORD_BYTES)
_REFUSED = said("your role doesn't allow creating this record")


def _refusal(change: Change, scope: DatasetScope, draft: Draft) -> list[Flaw]:
    """What keeps a record from being created whose values are all good."""
    if scope.roles:
        author, now = change.principal.user_id, change.now
        record = StoredRecord("", scope.dataset.id, draft.state_id, author, draft.data, now, now)
        given = [prop.id for prop in scope.dataset.properties if f"p{prop.id}" in draft.data]
        if not scope.reach.allows_create(facts_of(scope, record), given):
            return [Flaw("", _REFUSED)]
    return [Flaw("", _TOO_LARGE)] if len(canonical(draft.data)) > MAX_RECORD_BYTES else []


def _too_long(draft: Draft, prop: Property) -> bool:
    value = draft.data.get(f"p{prop.id}")
    return isinstance(value, str) and len(value.encode()) > MAX_INDEXED_BYTES


def _all_named(drafts: list[Draft], prop: Property) -> set[str]:
    return {name for draft in drafts for name in named(draft, prop)}


def _missing(draft: Draft, found: dict[Property, set[str]], reason: str) -> Iterator[Flaw]:
    for prop, there in found.items():
        if not named(draft, prop) <= there:
            yield Flaw(prop.name, reason)


def _standing(change: Change, scope: DatasetScope, prop: Property, values: list[object]) -> set[object]:
    """Those of the values that records of the dataset have, archived ones included."""
    there: set[object] = set()
    if not values:
        return there
    where, after = Comparison(prop, "in", tuple(values)), None
    while True:
        rows, after = change.records.page(
            scope, limit=BATCH, where=where, sort=Sort(prop), fields={prop.id}, archived=True, after=after
        )
        there.update(row.cells[prop.id] for row in rows)
        if after is None:
            return there
