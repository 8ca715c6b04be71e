"""Reads the rows of a CSV or JSON Lines file one by one, each with the line on which it begins."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from bitting.core.jsontext import Malformed, parse
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import counted, mark, said, told_by
from bitting.records.importing import Draft, Importing, wrong_width

if TYPE_CHECKING:
    from _csv import Reader

MAX_COLUMNS = 500
MAX_ROW = 1_048_576
"""The longest line of JSON, and the longest cell: a file that isn't what it says must not fill the memory."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_OF_THE_READER = frozenset(
    {mark("unexpected end of data"), mark("',' expected after '\"'"), mark("line contains NUL")},
)
"""What Python's reader of CSV says that people can do something about."""


class UnreadableFile(Exception):
    """The file isn't what it should be, in words for whoever chose it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the draft of a record, or what is wrong with it."""

    line: int
    draft: Draft | None
    flaws: tuple[Flaw, ...] = ()


def csv_rows(file: BinaryIO, importing: Importing, columns: Sequence[str | None] | None = None) -> Generator[Row]:
    """The rows of a CSV file after its header; UTF-8, commas, RFC 4180's quotes; empty lines are passed over.

    columns: what each column is called in the dataset, None where it is left out; as the header has it unless given.
    Raises InvalidInput or UnreadableFile before the first row, when the header doesn't fit.
    """
    text, lines = _opened(file)
    header = _header(lines)
    called = header if columns is None else columns
    if len(called) != len(header):
        raise UnreadableFile("The header has changed since its columns were named.")
    importing.check_columns([name for name in called if name is not None])
    return _csv_rows(lines, _reader(importing, called), text)


def csv_header(file: BinaryIO) -> list[str]:
    """The names of the columns of a CSV file.

    Raises UnreadableFile.
    """
    text, lines = _opened(file)
    header = _header(lines)
    text.detach()
    return header


def _opened(file: BinaryIO) -> tuple[io.TextIOWrapper, Reader]:
    csv.field_size_limit(MAX_ROW)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    return text, csv.reader(text, strict=True)


def _header(lines: Reader) -> list[str]:
    try:
        columns = [name.strip() for name in next(lines, [])]
    except csv.Error as error:
        raise UnreadableFile(said("The header is not valid CSV: %(error)s.", error=_of_the_reader(error))) from None
    if len(columns) > MAX_COLUMNS:
        raise UnreadableFile(
            counted("The header names %(num)d columns; at most %(most)d are read.", len(columns), most=MAX_COLUMNS)
        )
    if not columns:
        raise UnreadableFile("The file is empty: it needs a header that names the properties.")
    if len(columns) == 1 and (";" in columns[0] or "\t" in columns[0]):
        raise UnreadableFile("The file's columns must be separated by commas.")
    return columns


def _reader(importing: Importing, columns: Sequence[str | None]) -> Callable[[list[str]], Draft]:
    """How a row is read, those columns left out that have no name."""
    named = [name for name in columns if name is not None]
    read = importing.cells(named)
    if len(named) == len(columns):
        return read
    places = [place for place, name in enumerate(columns) if name is not None]

    def read_named(cells: list[str]) -> Draft:
        if len(cells) != len(columns):
            raise InvalidInput.at("", wrong_width(len(cells), len(columns)))
        return read([cells[place] for place in places])

    return read_named


def _csv_rows(lines: Reader, read: Callable[[list[str]], Draft], keep: io.TextIOWrapper) -> Generator[Row]:
    try:
        while True:
            line = lines.line_num + 1
            try:
                cells = next(lines, None)
            except csv.Error as error:
                reason = said("is not valid CSV: %(error)s", error=_of_the_reader(error))
                yield _to_its_end(Row(line, None, (Flaw("", reason),)), lines.line_num)
                continue
            if cells is None:
                return
            if cells:
                row = _tried(line, lambda: read(cells), lambda: any(_NOT_UTF8.search(cell) for cell in cells))  # noqa: B023
                yield _to_its_end(row, lines.line_num)
    finally:
        keep.detach()  # the file is its opener's to close


def _of_the_reader(error: csv.Error) -> str:
    text = str(error)
    return said(text) if text in _OF_THE_READER else text


def _to_its_end(row: Row, last: int) -> Row:
    """The row; where it isn't one of the file's rows as people see them, with the lines that it has swallowed."""
    if last == row.line or all(flaw.path for flaw in row.flaws):
        return row
    reason = said("goes on to line %(last)d: a quote that isn't closed takes in the lines after it", last=last)
    return Row(row.line, row.draft, (*row.flaws, Flaw("", reason)))


def jsonl_rows(file: BinaryIO, importing: Importing) -> Iterator[Row]:
    """The rows of a JSON Lines file: an object on each line; empty lines are passed over.

    Raises InvalidInput before the first row, when its members don't fit.
    """
    lines = _json_lines(file)
    first = next(lines, None)
    if first is None:
        raise UnreadableFile("The file is empty.")
    try:
        members = parse(first[1])
    except (Malformed, InvalidInput):
        members = None  # a bad row like any other
    if isinstance(members, dict):
        importing.check_columns(list(members), whole=False)
    return _json_rows(first, lines, importing)


def _json_rows(first: tuple[int, bytes], lines: Iterator[tuple[int, bytes]], importing: Importing) -> Iterator[Row]:
    yield _json_row(*first, importing)
    for line, raw in lines:
        yield _json_row(line, raw, importing)


def _json_row(line: int, raw: bytes, importing: Importing) -> Row:
    if len(raw) > MAX_ROW:
        return Row(line, None, (Flaw("", said("is longer than %(most)d bytes", most=MAX_ROW)),))
    try:
        value = parse(raw)
    except Malformed as error:
        return Row(line, None, (Flaw("", told_by(error)),))
    except InvalidInput as invalid:
        return Row(line, None, invalid.flaws)
    return _tried(line, lambda: importing.members(value), lambda: False)


def _json_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines that are not empty, by number; one that is too long comes cut, but too long still."""
    number, start = 0, codecs.BOM_UTF8
    while raw := file.readline(MAX_ROW + 2):
        number += 1
        whole = raw
        while not raw.endswith(b"\n") and len(whole) > MAX_ROW and (raw := file.readline(MAX_ROW)):
            pass
        line = whole.removeprefix(start).strip(b" \t\r\n")
        start = b""
        if line:
            yield number, whole if len(whole) > MAX_ROW + 1 else line


def _tried(line: int, read: Callable[[], Draft], is_not_utf8: Callable[[], bool]) -> Row:
    try:
        return Row(line, read())
    except InvalidInput as invalid:
        return Row(line, None, (Flaw("", "is not UTF-8"),) if is_not_utf8() else invalid.flaws)
