"""`bitting records import`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from bitting.cli.errors import Problem, as_options, say
from bitting.cli.options import Json, Workspace
from bitting.cli.output import cell, print_json, printable
from bitting.core.problems import Flaw

if TYPE_CHECKING:
    from bitting.cli.loading import Loading
    from bitting.cli.office import Desk
    from bitting.core.schema import Dataset
    from bitting.records.loading import Report, Tell
    from bitting.records.rows import Row

group = typer.Typer(no_args_is_help=True, help="Records: bring them in from files.")

_OPTIONS = {"state_column": "--state-column", "default_state": "--default-state", "id_column": "--id-column"}


@group.callback()
def _records() -> None:
    """Keeps `import` a word of its own, although it is alone."""


@group.command("import")
def import_records(
    file: Annotated[
        Path, typer.Argument(help="CSV with a header, or .jsonl.", exists=True, dir_okay=False, show_default=False)
    ],
    dataset: Annotated[str, typer.Option(help="Where they go.", show_default=False)],
    state_column: Annotated[
        str | None, typer.Option(help="The column that names each record's state.", show_default=False)
    ] = None,
    default_state: Annotated[
        str | None, typer.Option(help="The state of rows that name none.", show_default=False)
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(help="The property that holds your own id: rows that are there already are passed over."),
    ] = None,
    atomic: Annotated[bool, typer.Option("--atomic", help="All rows or none, in one transaction.")] = False,
    errors: Annotated[
        Path | None, typer.Option(help="Write all bad rows there, as CSV.", dir_okay=False, show_default=False)
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Import records from a file, streaming; columns are the dataset's properties.

    Bad rows are reported by line and left out. An empty cell is a missing value; several values are a JSON list.
    """
    from bitting.cli.loading import Loading
    from bitting.cli.office import seated
    from bitting.records.importing import Importing

    with seated(workspace) as desk, ExitStack() as stack:
        with as_options(_OPTIONS):
            importing = Importing(
                _dataset(desk, dataset), state_column=state_column, default_state=default_state, id_column=id_column
            )
        opened = stack.enter_context(file.open("rb"))
        with _in_words():
            rows = _reader(file)(opened, importing)
        loader = Loading(desk, importing, stack.enter_context(_telling(errors)))
        _load(loader, stack.enter_context(_progress(opened, file, rows)), atomic=atomic)
    _tell(loader.report, dataset, atomic=atomic, errors=errors, as_json=as_json)
    if loader.report.bad:
        raise typer.Exit(1)


def _reader(file: Path) -> Callable[..., Iterator[Row]]:
    from bitting.records.rows import csv_rows, jsonl_rows

    readers = {".csv": csv_rows, ".jsonl": jsonl_rows}
    if file.suffix.lower() not in readers:
        raise Problem(f"{file.name} is of no known kind.", "Its name must end in .csv or .jsonl.")
    return readers[file.suffix.lower()]


@contextmanager
def _in_words() -> Iterator[None]:
    """What is wrong with the file as a whole, said and no more."""
    from bitting.records.rows import UnreadableFile

    try:
        yield
    except UnreadableFile as error:
        raise Problem(str(error)) from None


def _dataset(desk: Desk, name: str) -> Dataset:
    with desk.backend.read(desk.context) as reading:
        catalogue = reading.datasets.catalogue()
    found = catalogue.by_name.get(name)
    if found is None:
        there = ", ".join(catalogue.by_name) or "none"
        raise Problem(f"There is no dataset '{name}' in this workspace.", f"There are: {there}.")
    if found.source is not None:
        raise Problem(f"The dataset '{name}' is attached.", "Its records are written by their own system.")
    return found


def _load(loader: Loading, rows: Iterable[Row], *, atomic: bool) -> None:
    from bitting.cli.loading import BadRowsError

    try:
        loader.load(rows, atomic=atomic)
    except BadRowsError:
        return
    except (Exception, KeyboardInterrupt):
        kept = 0 if atomic else loader.report.loaded
        say(f"The import has stopped: {kept} record{'s' if kept != 1 else ''} loaded.")
        raise


@contextmanager
def _telling(errors: Path | None) -> Iterator[Tell]:
    """Where flaws of rows go: nowhere, or as they come into a CSV file."""
    if errors is None:
        yield lambda line, flaw: None
        return
    try:
        file = errors.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise Problem(f"{errors} can't be written: {error.strerror}.") from None
    with file:
        lines = csv.writer(file)
        lines.writerow(["line", "column", "reason"])
        yield lambda line, flaw: lines.writerow([line, printable(flaw.path), printable(flaw.reason)])


@contextmanager
def _progress(opened: BinaryIO, file: Path, rows: Iterator[Row]) -> Iterator[Iterator[Row]]:
    """The same rows, with a bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Importing", total=file.stat().st_size)

        def watched() -> Iterator[Row]:
            for place, row in enumerate(rows):
                if place % 500 == 0 and not opened.closed:
                    progress.update(task, completed=opened.tell())
                yield row

        yield watched()


def _tell(report: Report, dataset: str, *, atomic: bool, errors: Path | None, as_json: bool) -> None:
    for line, flaw in report.errors:
        say(f"Line {line}: {_reason(flaw)}")
    if len(report.errors) < report.bad:
        say(f"{report.bad} bad rows in all" + (f": see {errors}." if errors else "; --errors FILE lists them."))
    if as_json:
        print_json(_view(report, dataset))
        return
    print(f"{report.loaded} of {report.rows} rows were loaded into {cell(dataset)}.")
    if report.duplicates:
        print(f"{report.duplicates} were there already (lines {_lines(report)}).")
    if report.bad:
        rest = "; since all or none was asked for, none was loaded" if atomic else " and left out"
        print(f"{report.bad} {'are' if report.bad != 1 else 'is'} bad{rest}.")


def _reason(flaw: Flaw) -> str:
    return f"{flaw.path}: {flaw.reason}" if flaw.path else flaw.reason


def _lines(report: Report) -> str:
    shown = ", ".join(str(line) for line in report.duplicate_lines)
    return shown if len(report.duplicate_lines) == report.duplicates else f"{shown}, …"


def _view(report: Report, dataset: str) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "rows": report.rows,
        "loaded": report.loaded,
        "duplicates": report.duplicates,
        "bad": report.bad,
        "errors": [{"line": line, "column": flaw.path or None, "reason": flaw.reason} for line, flaw in report.errors],
    }
