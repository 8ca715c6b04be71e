"""What is counted of the use of keys, step by step in time; see core/usage.

Several processes write the same rows, each in one order, so that none waits for another in a circle. Rows come as one
JSON text: the database adds a whole batch by one statement, while the process goes on with its requests.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
)

from bitting.core.principal import WorkspaceId
from bitting.core.usage import COARSER, Place, Span, Step
from bitting.store.pages import Page
from bitting.store.tables import keys, usage_counts, workspaces
from bitting.store.tenant import TenantQueries

_ROLLED_AT_ONCE = 2_000
_PLACE = (
    usage_counts.c.at,
    usage_counts.c.key_id,
    usage_counts.c.door,
    usage_counts.c.outcome,
    usage_counts.c.scope,
    usage_counts.c.dataset_id,
)
# A list of rows, as a table with the one column `value`, and an object's names and values.
_ROWS = {"sqlite": "json_each(:rows)", "postgresql": "json_array_elements(CAST(:rows AS json)) AS listed(value)"}
_COUNTS = {"sqlite": "json_each(given.counts)", "postgresql": "json_each_text(given.counts)"}
# `+` keeps SQLite from going through all of a workspace's keys for each row.
_WORKSPACE = {"sqlite": "+keys.workspace_id", "postgresql": "keys.workspace_id"}
# Keys come together with what else is the same: SQLite reads a JSON text anew for each value that is taken out of it,
# so the rows are materialized. A dataset is named where it was just called by its name, and nothing is counted for a
# workspace that is gone.
_ADD = """
WITH given AS MATERIALIZED (
    SELECT CAST(value ->> 0 AS BIGINT) AS at, value ->> 1 AS door, value ->> 2 AS outcome, value ->> 3 AS scope,
           value ->> 4 AS dataset, CAST(value ->> 5 AS BIGINT) AS dataset_id, value -> 6 AS counts
    FROM {rows}
)
INSERT INTO usage_counts (workspace_id, step, at, key_id, door, outcome, scope, dataset_id, count)
SELECT workspaces.id, :step, given.at, counted.key, given.door, given.outcome, given.scope,
       coalesce(datasets.id, given.dataset_id), sum(CAST(counted.value AS BIGINT))
FROM given
CROSS JOIN {counts} AS counted
JOIN workspaces ON workspaces.id = :workspace
LEFT JOIN datasets ON datasets.workspace_id = workspaces.id AND datasets.name = given.dataset
WHERE true
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
ON CONFLICT (workspace_id, step, at, key_id, door, outcome, scope, dataset_id)
DO UPDATE SET count = usage_counts.count + excluded.count
"""
# This one column alone: whoever changes a key doesn't write it, and a later use stays.
_NOTE_USES = """
UPDATE keys SET last_used_at = given.at
FROM (SELECT value ->> 0 AS id, CAST(value ->> 1 AS BIGINT) AS at FROM {rows}) AS given
WHERE {workspace} = :workspace AND keys.id = given.id
  AND (keys.last_used_at IS NULL OR keys.last_used_at < given.at)
"""


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """Which counts, and by what to group them.

    `by` are of DIMENSIONS. `key` names one key, `owner` all keys of a user; `datasets` are those that there are for the
    asker; with `hidden`, what was counted for others is left out, otherwise they are gone, and it is counted without.
    """

    span: Span
    by: tuple[str, ...]
    datasets: tuple[int, ...]
    hidden: bool = False
    key: str | None = None
    owner: str | None = None
    outcome: str | None = None


DIMENSIONS = ("key", "outcome", "scope", "dataset", "door")
"""What counts can be grouped by, beside the time."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A count: the beginning of its step, what it is grouped by, and how many."""

    at: int
    of: dict[str, Any]
    count: int


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """A whole span's count: what it is grouped by, how many, and how many of these were allowed."""

    of: dict[str, Any]
    count: int
    allowed: int


class UsageQueries(TenantQueries):
    """Counts of one workspace."""

    def add(self, counts: Mapping[Place, int]) -> None:
        """Adds counts of minutes, without names that no dataset has; nothing at all if the workspace is gone."""
        self._add(Step.MINUTE, ((*place, 0, count) for place, count in counts.items()))

    def note_uses(self, used: Mapping[str, int]) -> bool:
        """Notes when keys were last used. False: the workspace's keys are just being changed, try again later.

        Nobody is waited for: whoever changes keys holds them in an order of its own.
        """
        turn = self._select(workspaces, workspaces.c.id).with_for_update(key_share=True, skip_locked=True)
        if self.connection.execute(turn).first() is None:
            return self.connection.execute(self._select(workspaces, workspaces.c.id)).first() is None
        self._run(_NOTE_USES, list(used.items()))
        return True

    def roll_up(self, step: Step, before: int) -> bool:
        """Turns some rows from before an instant into rows of the coarser step; whether there may be more of them.

        Rows that another process is rolling up or adding to are passed over.
        """
        oldest = self._select(usage_counts, *_PLACE, usage_counts.c.count).where(
            usage_counts.c.step == step, usage_counts.c.at < before
        )
        some = oldest.order_by(*_PLACE).limit(_ROLLED_AT_ONCE).with_for_update(skip_locked=True)
        rows = self.connection.execute(some).all()
        if not rows:
            return False
        # One by one, by the primary key: they are held, and no planner has anything to guess.
        same = [column == bindparam(f"old_{column.name}") for column in _PLACE]
        taken = [{f"old_{column.name}": value for column, value in zip(_PLACE, row, strict=False)} for row in rows]
        self.connection.execute(self._delete(usage_counts).where(usage_counts.c.step == step, *same), taken)
        sums: Counter[tuple[Any, ...]] = Counter()
        for at, key, door, outcome, scope, dataset, count in rows:
            sums[COARSER[step].floor(at), key, door, outcome, scope, None, dataset] += count
        self._add(COARSER[step], ((*place, count) for place, count in sums.items()))
        return len(rows) >= _ROLLED_AT_ONCE

    def page(
        self, question: UsageQuestion, limit: int, after: list[Any] | None, *, count: bool = False
    ) -> Page[UsageRow]:
        """Counts, newest first; a position is the last row's time and what it is grouped by."""
        found = self._found(question, None if after is None else tuple(after)).subquery()
        place = [found.c.bucket, *(found.c[name] for name in question.by)]
        grouped = select(*place, func.sum(found.c.count).label("count")).group_by(*place)
        newest = grouped.order_by(*(column.desc() for column in place)).limit(limit + 1)
        rows = [_usage_row(row, question.by) for row in self.connection.execute(newest)]
        more = [rows[limit - 1].at, *rows[limit - 1].of.values()] if len(rows) > limit else None
        return Page(rows[:limit], more, self._groups(question) if count else None)

    def totals(self, question: UsageQuestion, allowed: str, limit: int) -> list[UsageTotal]:
        """Counts of the whole span, the greatest first; allowed: the outcome of what was not refused."""
        by = dict.fromkeys((*question.by, "outcome"))
        found = self._found(replace(question, by=tuple(by)), None).subquery()
        place = [found.c[name] for name in question.by]
        count = func.sum(found.c.count)
        passed = func.sum(case((found.c.outcome == allowed, found.c.count), else_=0))
        grouped = select(*place, count.label("count"), passed.label("allowed")).group_by(*place)
        rows = self.connection.execute(grouped.order_by(count.desc(), *place).limit(limit))
        return [UsageTotal(dict(zip(question.by, row, strict=False)), int(row[-2]), int(row[-1])) for row in rows]

    def _groups(self, question: UsageQuestion) -> int:
        found = self._found(question, None).subquery()
        places = select(found.c.bucket, *(found.c[name] for name in question.by)).distinct().subquery()
        return int(self.connection.execute(select(func.count()).select_from(places)).scalar_one())

    def _found(self, question: UsageQuestion, after: tuple[Any, ...] | None) -> Select[Any]:
        """The rows that a question is about, one by one."""
        span, table = question.span, usage_counts.c
        there = or_(table.dataset_id == 0, table.dataset_id.in_(question.datasets))
        columns: dict[str, ColumnElement[Any]] = {
            "key": table.key_id,
            "outcome": table.outcome,
            "scope": table.scope,
            "dataset": table.dataset_id if question.hidden else case((there, table.dataset_id), else_=0),
            "door": table.door,
        }
        # Our own number: as a parameter it would be another one in every place.
        bucket = table.at - table.at % literal_column(str(span.step.micros))
        by = [bucket, *(columns[name] for name in question.by)]
        labelled = [column.label(name) for column, name in zip(by, ("bucket", *question.by), strict=True)]
        wanted = [table.at >= span.start, table.at < span.end, table.step.in_(list(Step))]
        if question.hidden:
            wanted.append(there)
        for column, value in ((table.key_id, question.key), (table.outcome, question.outcome)):
            if value is not None:
                wanted.append(column == value)
        if question.owner is not None:
            wanted.append(table.key_id.in_(self._select(keys, keys.c.id).where(keys.c.owner_id == question.owner)))
        if after is not None:
            wanted += [bucket <= after[0], _before(by, after)]
        return self._select(usage_counts, *labelled, table.count).where(*wanted)

    def _add(self, step: Step, rows: Iterable[tuple[Any, ...]]) -> None:
        """Adds rows of at, key, door, outcome, scope, name of the dataset, or its id, and count."""
        by_place: defaultdict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
        for at, key, *rest, count in rows:
            by_place[at, *rest][key] = count
        if by_place:
            self._run(_ADD, [(*place, counts) for place, counts in by_place.items()], step=int(step))

    def _run(self, statement: str, rows: Sequence[Sequence[Any]], **more: Any) -> None:
        dialect = self.connection.dialect.name
        sql = text(statement.format(rows=_ROWS[dialect], counts=_COUNTS[dialect], workspace=_WORKSPACE[dialect]))
        self.connection.execute(sql, {"workspace": self.workspace, "rows": msgspec.json.encode(rows).decode(), **more})


def workspaces_to_roll_up(connection: Connection, step: Step, before: int) -> list[WorkspaceId]:
    """The operator's: workspaces that have rows of a step from before an instant."""
    old = exists().where(
        usage_counts.c.workspace_id == workspaces.c.id, usage_counts.c.step == step, usage_counts.c.at < before
    )
    query = select(workspaces.c.id).where(old).order_by(workspaces.c.id)
    return [WorkspaceId(found) for found in connection.execute(query).scalars()]


def _before(columns: Sequence[ColumnElement[Any]], position: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a row comes after a position in descending order."""
    first: ColumnElement[bool] = columns[0] < position[0]
    if len(columns) == 1:
        return first
    return or_(first, and_(columns[0] == position[0], _before(columns[1:], position[1:])))


def _usage_row(row: Any, by: Sequence[str]) -> UsageRow:
    return UsageRow(row.bucket, {name: getattr(row, name) for name in by}, int(row[-1]))
