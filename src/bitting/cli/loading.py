"""Loads rows into a dataset: batch by batch, each a transaction, or all of them in one.

Within a batch's transaction the schema is held and compared with the one that the rows were read by; users and linked
records are looked up for the whole batch at once, and so are outside ids that are there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from bitting.api.records import scopes_for
from bitting.backend import Change
from bitting.cli.errors import Problem
from bitting.cli.office import Desk, one_transaction
from bitting.cli.rows import Row
from bitting.core.conditions import Sort
from bitting.core.ids import new_id
from bitting.core.predicates import Comparison
from bitting.core.problems import Flaw
from bitting.core.schema import Property, PropertyType
from bitting.records.importing import Draft, Importing, named, references
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


class Loader:
    """Loads rows into one dataset.

    Args:
        desk: where.
        importing: how the rows are read.
        tell: is told of each bad row's flaws, in the order of the file.
    """

    def __init__(self, desk: Desk, importing: Importing, tell: Tell) -> None:
        self.report = Report()
        self._desk, self._importing, self._tell = desk, importing, tell
        self._users = references(importing.dataset, PropertyType.USER)
        self._links = references(importing.dataset, PropertyType.RECORD)
        self._indexed = [prop for prop in importing.dataset.properties if prop.indexed]
        self._created = 0

    def load(self, rows: Iterable[Row], *, atomic: bool) -> None:
        """Loads them all; with `atomic`, only if every one is good."""
        if not atomic:
            self._batches(self._desk, rows)
            return
        with one_transaction(self._desk.backend) as backend:
            self._batches(Desk(backend, self._desk.context, self._desk.workspace), rows, atomic=True)
            if self.report.bad:
                self.report.loaded = 0
                raise BadRowsError

    def _batches(self, desk: Desk, rows: Iterable[Row], *, atomic: bool = False) -> None:
        rest = iter(rows)
        while batch := list(islice(rest, BATCH)):
            self.report.rows += len(batch)
            # After a bad row of an atomic import the others are only looked at.
            with desk.backend.change_records(desk.context) as change:
                loaded = self._batch(change, batch, keep=not (atomic and self.report.bad))
            self.report.loaded += loaded

    def _batch(self, change: Change, batch: list[Row], *, keep: bool) -> int:
        scope = self._scope(change)
        good = [(row.line, row.draft) for row in self._judged(change, scope, batch) if row.draft is not None]
        fresh = self._new_ones(change, scope, good)
        if keep:
            change.records.insert_many(self._stored(change, draft) for draft in fresh)
        return len(fresh)

    def _scope(self, change: Change) -> DatasetScope:
        """The dataset as it stands, its schema held for this transaction.

        Raises:
            Problem: when it is no longer the one that the rows were read by.
        """
        dataset = self._importing.dataset
        change.datasets.share(dataset.id)
        scope = scopes_for(change).get(dataset.id)
        if scope is None or scope.dataset != dataset:
            raise Problem("The dataset was changed during the import.", "Look at it, and run the import again.")
        return scope

    def _judged(self, change: Change, scope: DatasetScope, batch: list[Row]) -> Iterator[Row]:
        """The good rows; tells of the others."""
        drafts = [row.draft for row in batch if row.draft is not None]
        users = {prop: change.users.existing(_all_named(drafts, prop)) for prop in self._users}
        links = {prop: self._linked(change, scope, drafts, prop) for prop in self._links}
        for row in batch:
            flaws = list(row.flaws)
            if row.draft is not None:
                flaws += _missing(row.draft, users, "no such user")
                flaws += _missing(row.draft, links, "no such record")
                flaws += [Flaw(prop.name, _TOO_LONG) for prop in self._indexed if _too_long(row.draft, prop)]
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
            author=None,
            data=draft.data,
            created_at=self._created,
            updated_at=self._created,
        )


class BadRowsError(Exception):
    """Takes an atomic import back."""


_TOO_LONG = f"an indexed text has at most {MAX_INDEXED_BYTES} bytes"


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
