"""The journal of usage: what processes have counted and not yet added to the counts. The operator's, of all workspaces.

Each process is a writer under a name of its own, and numbers its transactions upwards: those that write a row here, and
those that add all it has to the counts. The last of the latter stands in its row of `usage_writers`; what has a number
up to it is counted. Every such transaction takes that row first (`enter`). So whoever doesn't know what became of a
transaction, or whose rows another process has taken over meanwhile, learns it there, and nothing is counted twice.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, exists, insert, select, text, update

from bitting.store.tables import usage_journal, usage_writers

# Waits for a transaction of the same writer that is still under way.
_ENTER = """
INSERT INTO usage_writers (id, merged, at) VALUES (:writer, 0, :at)
ON CONFLICT (id) DO UPDATE SET at = excluded.at
RETURNING merged
"""


def enter(connection: Connection, writer: str, at: int) -> int:
    """Takes a writer's turn, now; returns the number up to which all of it is counted."""
    return int(connection.execute(text(_ENTER), {"writer": writer, "at": at}).scalar_one())


def append(connection: Connection, writer: str, seq: int, at: int, body: bytes) -> None:
    """Writes a row."""
    connection.execute(insert(usage_journal).values(writer=writer, seq=seq, at=at, body=body))


def finish(connection: Connection, writer: str, seq: int) -> None:
    """Notes that everything of a writer's is counted, up to this number, and deletes its rows."""
    connection.execute(delete(usage_journal).where(usage_journal.c.writer == writer))
    connection.execute(update(usage_writers).where(usage_writers.c.id == writer).values(merged=seq))


def abandoned(connection: Connection, before: int) -> list[str]:
    """Writers that have rows, and none of whose turns was after an instant."""
    rows = exists().where(usage_journal.c.writer == usage_writers.c.id)
    query = select(usage_writers.c.id).where(usage_writers.c.at < before, rows).order_by(usage_writers.c.id)
    return list(connection.execute(query).scalars())


def take_over(connection: Connection, writer: str, before: int, heir: str, at: int) -> list[tuple[int, int, bytes]]:
    """Makes what is to be counted of an abandoned writer a new one's: each row's number, when it was written, its body.

    Nothing, when it is no longer abandoned or another process is taking it over.
    """
    turn = select(usage_writers.c.merged).where(usage_writers.c.id == writer, usage_writers.c.at < before)
    merged = connection.execute(turn.with_for_update(skip_locked=True)).scalar_one_or_none()
    if merged is None:
        return []
    theirs, left = usage_journal.c.writer == writer, usage_journal.c.seq > merged
    rows = connection.execute(select(usage_journal).where(theirs, left).order_by(usage_journal.c.seq)).all()
    if rows:
        enter(connection, heir, at)
        connection.execute(update(usage_journal).where(theirs, left).values(writer=heir))
    finish(connection, writer, max([merged, *(row.seq for row in rows)]))
    return [(row.seq, row.at, row.body) for row in rows]


def leave(connection: Connection, writer: str) -> None:
    """Deletes a writer all of whose transactions were answered."""
    connection.execute(delete(usage_writers).where(usage_writers.c.id == writer))


def forget(connection: Connection, before: int) -> None:
    """Deletes writers without rows that had no turn after an instant."""
    rows = exists().where(usage_journal.c.writer == usage_writers.c.id)
    connection.execute(delete(usage_writers).where(usage_writers.c.at < before, ~rows))
