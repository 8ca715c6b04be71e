"""What commands print: tables for people, and JSON, alone on standard output, for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Names come from callers of the API: none of them gets to steer the operator's terminal. C0 and C1 controls, DEL, and
# the marks that turn the direction of text.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_GAP = 2
_FOLDED = 16


def printable(text: str) -> str:
    """The text with everything that a terminal would obey made visible."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: Any) -> None:
    """Prints a JSON value, and nothing else."""
    sys.stdout.write(printable(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Prints rows for people, or says that there are none.

    Only columns of words fold, where the terminal is narrow: an id in two pieces can't be copied. Nothing is cut off.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[cell(value) for value in row] for row in rows]
    if not lines:
        print(empty)
        return
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    narrowest = widest = 0
    for column, cells in zip(columns, zip(*lines, strict=True), strict=True):
        wide = max(map(cell_len, (column, *cells)))
        folds = "(UTC)" not in column and any(" " in text for text in cells)
        narrow = min(wide, _FOLDED) if folds else wide
        table.add_column(column, no_wrap=not folds, overflow="fold", min_width=narrow)
        narrowest, widest = narrowest + narrow + _GAP, widest + wide + _GAP
    for line in lines:
        table.add_row(*map(Text, line))
    terminal = Console()
    wanted = max(terminal.width, narrowest) if terminal.is_terminal else widest
    Console(width=min(wanted, widest)).print(table, crop=False)


def print_fields(fields: Mapping[str, object]) -> None:
    """Prints one thing for people: a name and a value on each line."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        print(f"{name:<{width}}  {cell(value)}")


def cell(value: object) -> str:
    """A value as people read it."""
    if value is None or value in ([], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return printable(", ".join(value))
    if isinstance(value, (list, dict)):
        return printable(json.dumps(value, ensure_ascii=False))
    return printable(str(value)).replace("\n", " ")


def moment(instant: str | None) -> str | None:
    """An instant of the API, in UTC, as people read it in a table."""
    return None if instant is None else instant[:19].replace("T", " ")
