"""What goes wrong, said in a few lines on standard error: never a traceback for what was to be expected."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from bitting.cli.output import printable
from bitting.core.decisions import CODES, Code
from bitting.core.errors import BittingError, NotFound, SourceUnavailable
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.tokens import find_in

MAX_LINES = 20


class Problem(Exception):
    """A command that can't go on; `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ExpectedErrors(TyperGroup):
    """The root command: says expected errors in words, and exits with 1."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            lines = explained(error)
            if lines is None:
                raise
            say(*lines)
            raise typer.Exit(1) from None


def say(*lines: str) -> None:
    """Writes lines to standard error."""
    for line in lines:
        print(printable(line), file=sys.stderr)


def explained(error: Exception) -> list[str] | None:
    """An expected error in words; None for one that nobody expected."""
    if isinstance(error, Problem):
        return [f"Error: {error.message}", *([error.hint] if error.hint else [])]
    if isinstance(error, InvalidInput):
        return flaw_lines(error)
    if isinstance(error, SourceUnavailable):
        return [f"Error: An attached table can't be read: {error.internal}.", "See `bitting doctor`."]
    if isinstance(error, BittingError):
        return [f"Error: {error.detail}", _hint(error.code)]
    return _foreign(error)


def flaw_lines(invalid: InvalidInput) -> list[str]:
    """Each flaw on a line of its own, the first MAX_LINES of them."""
    lines = [f"Error: {flaw.path}: {flaw.reason}" if flaw.path else f"Error: {flaw.reason}" for flaw in invalid.flaws]
    more = len(lines) - MAX_LINES
    return lines if more <= 0 else [*lines[:MAX_LINES], f"… and {more} more."]


def _hint(code: Code) -> str:
    return _OPERATORS_HINTS.get(code, CODES[code].hint)


_KEY_MEANT = "A key goes by its id here, which `bitting keys list` shows. Check --workspace, too."
_KEY_GIVEN = "It stands in the history of your shell now: rotate it. `bitting keys list` shows the ids."

# Where the hint for callers of the API says something that makes no sense here.
_OPERATORS_HINTS = {
    Code.PLAN_REQUIRED: "See `bitting plans`; `bitting workspaces set-plan WORKSPACE PLAN` changes it.",
    Code.NOT_FOUND: "Check the id or name, and --workspace.",
    Code.UNAVAILABLE: "Is it running? `bitting settings` shows which database is meant.",
}


def _foreign(error: Exception) -> list[str] | None:
    """Errors of the libraries that read settings and bodies; their texts may quote what was given, so ours don't."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return flaw_lines(flaws_of(error))
    return None


def flaws_of(error: Any) -> InvalidInput:
    """A pydantic error as flaws: places and reasons, never values."""
    return InvalidInput(
        Flaw(".".join(str(part) for part in item["loc"]), str(item["msg"]))
        for item in error.errors(include_input=False)
    )


@contextmanager
def naming(noun: str, name: str) -> Iterator[None]:
    """Within it, what is not found is said to be this; a key that was given in place of its id is not repeated."""
    try:
        yield
    except NotFound:
        if find_in(name):
            raise Problem("That is the key itself; its id, key_…, is expected.", _KEY_GIVEN) from None
        raise Problem(f"There is no {noun} '{name}' in this workspace.", _KEY_MEANT) from None


@contextmanager
def as_options(options: dict[str, str]) -> Iterator[None]:
    """Within it, flaws name options of the command in place of fields of a body."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        raise _renamed(flaws_of(error), options) from None
    except InvalidInput as invalid:
        raise _renamed(invalid, options) from None


def _renamed(invalid: InvalidInput, options: dict[str, str]) -> InvalidInput:
    flaws = []
    for flaw in invalid.flaws:
        field, _, rest = (options.get(flaw.path) or flaw.path).partition(".")
        option = options.get(field, field)
        flaws.append(Flaw(f"{option} ({rest})" if rest else option, flaw.reason))
    return InvalidInput(flaws)
