"""Imports that people begin and look at now and then: they run on in the background of one process.

How far an import is stands in the database, where every process finds it; that it is to stop is said there too. Its
file waits on the disk of the machine until it is begun, and is read from there, without a name, to its end. One import
runs at a time for a user, a few in a process; what nothing was heard of for an hour is forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

import structlog

from bitting.backend import Backend, Change, Context
from bitting.core.errors import BittingError, Conflict, NotFound, ReadOnlySource
from bitting.core.ids import is_id, new_id
from bitting.core.problems import Flaw
from bitting.core.schema import Dataset
from bitting.core.values import format_instant
from bitting.core.wording import kept, restored, said, told_by
from bitting.records.importing import Importing
from bitting.records.loading import ImportStopped, Loader, Report
from bitting.records.rows import Row, UnreadableFile, csv_header, csv_rows
from bitting.records.waiting import MAX_SECONDS, WaitingFiles
from bitting.store.imports import UNDER_WAY, ImportRow, Stage
from bitting.store.tenancy import Tenant

MAX_BYTES = 50 * 1024 * 1024
MAX_AT_ONCE = 3
"""How many imports run in a process at a time."""
MAX_FLAWS = 200
"""How many flaws of rows are told; all bad rows are counted."""
STATE = "state"
"""What a column is called that names each record's state: no property can have that name."""
_SILENT = 60_000_000
_FORGOTTEN = MAX_SECONDS * 1_000_000
_CLOSING_SECONDS = 5.0
_LOST = said("The server was restarted meanwhile, or is very busy. What was loaded before stays.")
_STOPPED = said("You stopped it. What was loaded before stays.")
_FAILED = said("Something went wrong on our side. What was loaded before stays.")
_GONE = said("The file isn't here any more: choose it again.")
_BUSY = said("Many imports run just now. Wait a minute, then begin this one again.")
_ONE_EACH = said("Another import of yours is running. Wait until it is done, then begin this one.")

_log = structlog.get_logger("bitting.imports")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with a file.

    columns: what each column becomes: a property's name, STATE, or None: it is left out; state: of rows that name none;
    id_property: the property that holds an id of one's own, so that rows that are there already are passed over.
    """

    dataset: str
    columns: tuple[str | None, ...]
    state: str | None = None
    id_property: str | None = None


@dataclass
class _Job:
    """An import that runs."""

    id: str
    context: Context
    dataset: str
    file: BinaryIO
    flaws: list[dict[str, Any]] = field(default_factory=list)
    read: int = 0
    stopped: str | None = None

    def until_stopped(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, as long as nothing has stopped it: told to stop after its last one, it is done."""
        for row in rows:
            if self.stopped is not None:
                raise ImportStopped(self.stopped)
            yield row

    def tell(self, line: int, flaw: Flaw) -> None:
        """Takes down what is wrong with a row."""
        if len(self.flaws) < MAX_FLAWS:
            self.flaws.append({"line": line, "column": flaw.path or None, "reason": kept(flaw.reason)})


class Imports:
    """The imports of a process.

    Args:
        backend: where they go.
        within: where folders for files that wait are made; where temporary files are unless given.
    """

    def __init__(self, backend: Backend, within: Path | None = None) -> None:
        self._backend = backend
        self._files = WaitingFiles(within)
        self._room = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def clear(self) -> None:
        """Removes the files of processes that were killed."""
        self._files.clear()

    def close(self) -> None:
        """Has what runs here end after its batch, waits for that a few seconds, and removes the files that wait."""
        self._closing.set()
        until = monotonic() + _CLOSING_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))
        self._files.close()

    def receive(self, context: Context, filename: str, file: BinaryIO, dataset: str) -> str:
        """Takes a file in; what the same user left lying goes.

        Args:
            context: who imports.
            filename: what it is called where it comes from.
            file: its content.
            dataset: the one that it is meant for.

        Returns the import's id.

        Raises:
            UnreadableFile: it is no CSV file with a header.
        """
        csv_header(file)
        file.seek(0)
        import_id = new_id("imp")
        size = self._files.keep(import_id, file)
        try:
            self._keep(context, import_id, filename, size, dataset)
        except BaseException:
            self._files.drop(import_id)
            raise
        return import_id

    def columns(self, import_id: str) -> list[str]:
        """The columns of a file that waits.

        Raises:
            UnreadableFile: it is gone, or waits at another machine.
        """
        with self._opened(import_id) as file:
            return csv_header(file)

    def begin(self, context: Context, import_id: str, plan: Plan) -> None:
        """Has an import run; it goes on when whoever began it has gone.

        Raises:
            NotFound: no such import of this user, or no such dataset for it.
            InvalidInput: the columns don't fit the dataset.
            UnreadableFile: the file is gone.
            Conflict: it was begun before, or others are to end first.
        """
        if not self._room.acquire(blocking=False):
            raise Conflict(_BUSY)
        try:
            job, importing = self._taken(context, import_id, plan)
            self._files.drop(import_id)
            thread = threading.Thread(
                target=self._run, args=(job, importing, plan.columns), name="bitting-import", daemon=True
            )
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()
        except BaseException:
            self._room.release()
            raise

    def stop(self, context: Context, import_id: str) -> None:
        """Has an import of the user's end after the batch that is being loaded; one that has ended stays as it is.

        Raises:
            NotFound: the user has no such import.
        """
        with self._backend.change_records(context) as change:
            if change.imports.get(import_id, _user(change)) is None:
                raise NotFound
            change.imports.stop(import_id)

    def look(self, context: Context, import_id: str) -> dict[str, Any]:
        """How far an import of the user's is.

        Raises:
            NotFound: the user has no such import.
        """
        with self._backend.read(context) as reading:
            row = reading.imports.get(import_id, context.principal.user_id or "")
            if row is None or row.updated_at < reading.now - _FORGOTTEN:
                raise NotFound
            return _view(row, reading.now)

    def settle(self) -> None:
        """Waits until all imports that run here have ended."""
        for thread in self._threads:
            thread.join()

    def _keep(self, context: Context, import_id: str, filename: str, size: int, dataset: str) -> None:
        with self._backend.change_records(context) as change:
            for older in change.imports.waiting(_user(change)):
                change.imports.delete(older)
                self._files.drop(older)
            change.imports.forget(change.now - _FORGOTTEN)
            told = {"dataset": dataset}
            row = ImportRow(import_id, _user(change), filename, size, Stage.RECEIVED, change.now, change.now, told)
            change.imports.insert(row)

    # --- running ---------------------------------------------------------------------------------

    def _taken(self, context: Context, import_id: str, plan: Plan) -> tuple[_Job, Importing]:
        """The import, from now on a running one, one of its user's at a time."""
        file = self._opened(import_id)
        try:
            with self._backend.change(context) as change:
                row = change.imports.get(import_id, _user(change))
                if row is None:
                    raise NotFound
                if row.stage is not Stage.RECEIVED:
                    raise Conflict("This import was begun before.")
                if change.imports.running(row.user_id, change.now - _SILENT):
                    raise Conflict(_ONE_EACH)
                importing = _importing(_dataset(change, plan.dataset), plan)
                # Before it runs: what doesn't fit is said to whoever can still mend it.
                _check_header(file, importing, plan)
                job = _Job(import_id, Context(change.principal, context.call, context.request_id), plan.dataset, file)
                change.imports.note(import_id, _progress(job, Report()), change.now, Stage.RUNNING)
        except BaseException:
            file.close()
            raise
        return job, importing

    def _run(self, job: _Job, importing: Importing, columns: Sequence[str | None]) -> None:
        loader = Loader(self._backend, job.context, importing, job.tell)
        stage, reason = Stage.DONE, None
        try:
            with closing(csv_rows(job.file, importing, columns)) as rows:
                for report in loader.load(job.until_stopped(rows)):
                    goes_on = self._note(job, report)
                    job.stopped = _LOST if self._closing.is_set() else None if goes_on else _STOPPED
        except (ImportStopped, UnreadableFile) as stopped:
            stage, reason = Stage.STOPPED, told_by(stopped)
        except BittingError as refused:
            stage, reason = Stage.STOPPED, refused.detail
        except Exception as error:
            _log.error("import_failed", request_id=job.context.request_id, error=type(error).__name__)
            stage, reason = Stage.STOPPED, _FAILED
        finally:
            self._end(job, stage, loader.report, reason)

    def _end(self, job: _Job, stage: Stage, report: Report, reason: str | None) -> None:
        try:
            self._note(job, report, stage, reason)
        except BittingError as error:  # the page will say that nothing is heard of it
            _log.error("import_unheard_of", request_id=job.context.request_id, error=type(error).__name__)
        finally:
            job.file.close()
            self._room.release()

    def _note(self, job: _Job, report: Report, ended: Stage | None = None, reason: str | None = None) -> bool:
        """Writes down how far it is; whether it is to go on."""
        progress = {**_progress(job, report), "reason": None if reason is None else kept(reason)}
        with self._backend.store.write() as connection:
            tenant = Tenant(connection, job.context.principal.workspace)
            return tenant.imports.note(job.id, progress, self._backend.clock(), ended)

    def _opened(self, import_id: str) -> BinaryIO:
        if not is_id("imp", import_id):
            raise NotFound
        try:
            return self._files.open(import_id)
        except OSError:
            raise UnreadableFile(_GONE) from None


def _user(change: Change) -> str:
    """The user who imports; a key imports nothing.

    Raises:
        NotFound: nobody does.
    """
    if change.principal.user_id is None:
        raise NotFound
    return change.principal.user_id


def _dataset(change: Change, name: str) -> Dataset:
    """The dataset as whoever imports knows it."""
    found = change.shown(change.datasets.catalogue()).by_name.get(name)
    if found is None:
        raise NotFound
    if found.source is not None:
        raise ReadOnlySource
    return found


def _importing(dataset: Dataset, plan: Plan) -> Importing:
    named = STATE if STATE in plan.columns else None
    return Importing(dataset, state_column=named, default_state=plan.state, id_column=plan.id_property)


def _check_header(file: BinaryIO, importing: Importing, plan: Plan) -> None:
    """Holds the columns against the dataset, and goes back to the file's beginning."""
    if len(csv_header(file)) != len(plan.columns):
        raise UnreadableFile(_GONE)
    importing.check_columns([name for name in plan.columns if name is not None])
    file.seek(0)


def _progress(job: _Job, report: Report) -> dict[str, Any]:
    if not job.file.closed:  # whoever reads rows no more has closed it
        job.read = job.file.tell()
    return {
        "dataset": job.dataset,
        "read": job.read,
        "rows": report.rows,
        "loaded": report.loaded,
        "duplicates": report.duplicates,
        "bad": report.bad,
        "flaws": job.flaws,
    }


_NOTHING: dict[str, Any] = {
    "dataset": None, "read": 0, "rows": 0, "loaded": 0, "duplicates": 0, "bad": 0, "flaws": [], "reason": None,
}  # fmt: skip


def _view(row: ImportRow, now: int) -> dict[str, Any]:
    """An import as it is answered; one that nothing is heard of has stopped."""
    lost = row.stage in UNDER_WAY and row.updated_at < now - _SILENT
    told = {**_NOTHING, **row.progress}
    return {
        "id": row.id,
        "filename": row.filename,
        "size": row.size,
        "createdAt": format_instant(row.created_at),
        **told,
        "flaws": [{**flaw, "reason": restored(flaw["reason"])} for flaw in told["flaws"]],
        "stage": Stage.STOPPED.value if lost else row.stage.value,
        "reason": _LOST if lost else restored(told["reason"]),
    }
