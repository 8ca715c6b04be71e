"""The texts for people that rooms and the core write down, found in their code: the console tells them.

A text is a literal where it is handed to what takes one: `said("…")`, `Flaw(path, "…")`. One with values in it must be
a template, or no catalogue can have it: whatever isn't, is found as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "bitting"
_UNSPOKEN = ("cli", "sample", "server", "sqlalchemy", "settings.py", "verify/entries.py", "verify/limits")
# What only callers of the API, and operators, ever read.
_TO_CALLERS = (
    "api/bodies.py",
    "api/routing.py",
    "core/credentials.py",
    "core/data_access_reading.py",
    "core/forwarded.py",
    "keys/verification.py",
    "records/exporting.py",
    "store/feed.py",
    "store/migrations",
    "store/point_reads.py",
    "verify/verifier.py",
)
# What takes a text, and at which place.
_TAKES = {
    "mark": 0,
    "said": 0,
    "counted": 0,
    "Flaw": 1,
    "at": 1,  # InvalidInput.at
    "_flaw": 1,
    "_refused": 0,
    "Conflict": 0,
    "Denied": 1,
    "Malformed": 1,
    "Unavailable": 0,
    "insufficient": 0,
    "ImportStopped": 0,
    "UnreadableFile": 0,
    "_Unfit": 0,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A text, with its form for one where it goes with a number; or, without a text, a place where none can be told."""

    place: str
    text: str | tuple[str, str] | None


def found() -> Iterator[Found]:
    """Every text, file by file."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith((*_UNSPOKEN, *_TO_CALLERS)):
            yield from _found_in(name, ast.parse(path.read_text()))


def _found_in(name: str, tree: ast.AST) -> Iterator[Found]:
    for node in ast.walk(tree):
        called = _called(node)
        if isinstance(node, ast.Call) and called in _TAKES and len(node.args) > _TAKES[called]:
            for given in _branches(node.args[_TAKES[called]]):
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield Found(name, _with_number(node, given.value) if called == "counted" else given.value)
                elif _is_put_together(given):
                    yield Found(f"{name}:{node.lineno}", None)


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _branches(given: ast.expr) -> list[ast.expr]:
    """What stands at a place: more than one text, where a condition chooses."""
    return [*_branches(given.body), *_branches(given.orelse)] if isinstance(given, ast.IfExp) else [given]


def _is_put_together(given: ast.expr) -> bool:
    """Whether it is a text with values in it that is no template: an f-string, or a literal with something added."""
    return isinstance(given, ast.JoinedStr) or (isinstance(given, ast.BinOp) and isinstance(given.left, ast.Constant))


def _with_number(node: ast.Call, template: str) -> tuple[str, str]:
    for keyword in node.keywords:
        if keyword.arg == "one" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value), template
    return template, template
