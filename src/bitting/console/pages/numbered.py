"""Forms with rows that come and go: the fields of each have its number in their names, as in `states.3.title`.

Only names that our pages make are taken. To pass others over would be to lose what they say: a condition of a role, a
property with all its values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from bitting.console.forms import Entered
from bitting.console.language import mark
from bitting.core.problems import InvalidInput

FOREIGN = mark("This form has fields that its page doesn't make. Load the page again, and retry.")
_NUMBER = re.compile("0|[1-9][0-9]{0,4}")


def check_rows(entered: Entered, path: str, fields: Collection[str], several: Collection[str] = ()) -> None:
    """Holds the names of the fields of rows against those that a page makes.

    Args:
        entered: the form.
        path: what comes before the row's number, without its point.
        fields: the fields of a row, each once at most; several: those that may be there many times. Of a field of
            another part, such as `rows.0.value`, the first word is enough: that part has a check of its own.

    Raises:
        InvalidInput: at the whole, for a field that is none of these.
    """
    for name in entered.names(f"{path}."):
        number, _, field = name.removeprefix(f"{path}.").partition(".")
        once = field in fields and len(entered.all(name)) == 1
        part, point, _ = field.partition(".")
        if not _NUMBER.fullmatch(number) or not (once or field in several or (point and f"{part}." in several)):
            raise InvalidInput.at(path, FOREIGN)


def rows_in(
    entered: Entered, path: str, most: int, fields: Collection[str], several: Collection[str] = ()
) -> Iterator[Entered]:
    """The rows in order, each as a form of its own whose fields are named without what leads to the row.

    Args:
        entered: the form.
        path: what comes before the row's number, without its point.
        most: rows that the call takes; a page of ours has one more, which the call says is too many.
        fields, several: as `check_rows` has them.

    Raises:
        InvalidInput: as `check_rows`, or there are more rows.
    """
    check_rows(entered, path, fields, several)
    rows: dict[int, dict[str, list[str]]] = {}
    for name in entered.names(f"{path}."):
        number, _, field = name.removeprefix(f"{path}.").partition(".")
        rows.setdefault(int(number), {})[field] = entered.all(name)
    check_count(path, len(rows), most)
    return (Entered(rows[number]) for number in sorted(rows))


def check_count(path: str, rows: int, most: int) -> None:
    """Holds how many rows there are against how many a page has, which is one more than the call takes.

    Raises:
        InvalidInput: at the whole.
    """
    if rows > most + 1:
        raise InvalidInput.at(path, FOREIGN)


def numbers_of(entered: Entered, path: str) -> list[int]:
    """The numbers of the rows that are there, whatever is missing between, once their names are checked."""
    return sorted({int(name.removeprefix(f"{path}.").partition(".")[0]) for name in entered.names(f"{path}.")})
