"""Imports that people begin in the console, as every process finds them; the files themselves are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from bitting.store.tables import imports
from bitting.store.tenant import TenantQueries


class Stage(StrEnum):
    """How far an import is."""

    RECEIVED = "received"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"


UNDER_WAY = (Stage.RUNNING, Stage.STOPPING)
"""Begun, and not ended yet."""


@dataclass(frozen=True, slots=True)
class ImportRow:
    """An import as it stands; `progress` is what is told of it."""

    id: str
    user_id: str
    filename: str
    size: int
    stage: Stage
    created_at: int
    updated_at: int
    progress: dict[str, Any] = field(default_factory=dict)


class ImportQueries(TenantQueries):
    """The imports of one workspace."""

    def get(self, import_id: str, user_id: str) -> ImportRow | None:
        """An import of a user's."""
        query = self._select(imports).where(imports.c.id == import_id, imports.c.user_id == user_id)
        found = self.connection.execute(query).first()
        return None if found is None else _row(found)

    def running(self, user_id: str, since: int) -> bool:
        """Whether one of a user's is running, and was heard of since then."""
        under_way = imports.c.stage.in_([stage.value for stage in UNDER_WAY])
        return self._count(imports, imports.c.user_id == user_id, under_way, imports.c.updated_at >= since) > 0

    def waiting(self, user_id: str) -> list[str]:
        """The ids of a user's that were received and never begun."""
        query = self._select(imports, imports.c.id)
        mine = query.where(imports.c.user_id == user_id, imports.c.stage == Stage.RECEIVED.value)
        return [row.id for row in self.connection.execute(mine)]

    def insert(self, row: ImportRow) -> None:
        """Keeps a new one."""
        values = {
            "id": row.id,
            "user_id": row.user_id,
            "filename": row.filename,
            "size": row.size,
            "stage": row.stage.value,
            "progress": row.progress,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
        self.connection.execute(self._insert(imports, values))

    def note(self, import_id: str, progress: dict[str, Any], now: int, stage: Stage | None = None) -> bool:
        """Writes down how far one is, and its stage if that is another now; one that is gone stays so.

        Returns whether it is running, and nobody has stopped it.
        """
        values: dict[str, Any] = {"progress": progress, "updated_at": now}
        if stage is not None:
            values["stage"] = stage.value
        query = self._update(imports).where(imports.c.id == import_id).values(**values).returning(imports.c.stage)
        return self.connection.execute(query).scalar() == Stage.RUNNING.value

    def stop(self, import_id: str) -> None:
        """Asks whoever runs it to stop; one that doesn't run stays as it is."""
        query = self._update(imports).where(imports.c.id == import_id, imports.c.stage == Stage.RUNNING.value)
        self.connection.execute(query.values(stage=Stage.STOPPING.value))

    def delete(self, import_id: str) -> None:
        """Forgets one."""
        self.connection.execute(self._delete(imports).where(imports.c.id == import_id))

    def forget(self, before: int) -> None:
        """Forgets all that nothing was heard of since then."""
        self.connection.execute(self._delete(imports).where(imports.c.updated_at < before))


def _row(found: Row[Any]) -> ImportRow:
    return ImportRow(
        id=found.id,
        user_id=found.user_id,
        filename=found.filename,
        size=found.size,
        stage=Stage(found.stage),
        created_at=found.created_at,
        updated_at=found.updated_at,
        progress=dict(found.progress),
    )
