"""Loads all rows of a file into a dataset, batch by batch or all of them in one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from bitting.cli.errors import Problem
from bitting.cli.office import Desk, one_transaction
from bitting.records.importing import Importing
from bitting.records.loading import ImportStopped, Loader, Report, Tell
from bitting.records.rows import Row


class BadRowsError(Exception):
    """Takes an atomic import back."""


class Loading:
    """An import of the operator's.

    Args:
        desk: where.
        importing: how the rows are read.
        tell: is told of each bad row's flaws, in the order of the file.
    """

    def __init__(self, desk: Desk, importing: Importing, tell: Tell) -> None:
        self.report = Report()
        self._desk, self._importing, self._tell = desk, importing, tell

    def load(self, rows: Iterable[Row], *, atomic: bool) -> None:
        """Loads them all; with `atomic`, only if every one is good.

        Raises:
            Problem: the dataset was changed meanwhile.
            BadRowsError: a row of an atomic import is bad: none is loaded.
        """
        try:
            if not atomic:
                self._run(Loader(self._desk.backend, self._desk.context, self._importing, self._tell), rows)
                return
            with one_transaction(self._desk.backend) as backend:
                self._run(Loader(backend, self._desk.context, self._importing, self._tell), rows, atomic=True)
                if self.report.bad:
                    self.report.loaded = 0
                    raise BadRowsError
        except ImportStopped as stopped:
            what, _, todo = str(stopped).partition(". ")
            raise Problem(f"{what}.", todo) from None

    def _run(self, loader: Loader, rows: Iterable[Row], *, atomic: bool = False) -> None:
        self.report = loader.report
        # After a bad row of an atomic import the others are only looked at.
        for _ in loader.load(rows, keep=lambda: not (atomic and loader.report.bad)):
            pass
