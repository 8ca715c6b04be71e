"""How secrets come in: by a hidden prompt or an environment variable, never as an argument.

Arguments are seen in lists of processes and kept in shell histories.
"""

from __future__ import annotations

import os
import sys

import typer

from bitting.cli.errors import Problem

PASSWORD_VARIABLE = "BITTING_OWNER_PASSWORD"  # noqa: S105 - the name of it, not one


def new_password() -> str:
    """A password for a new owner: from the environment, or typed twice.

    Raises:
        Problem: there is nobody to ask.
    """
    given = os.environ.get(PASSWORD_VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise Problem("The owner needs a password.", f"Set {PASSWORD_VARIABLE}, or run this in a terminal.")
    typed: str = typer.prompt(
        "Password for the owner", hide_input=True, confirmation_prompt="Again, to be sure", err=True
    )
    return typed


def key_to_verify() -> str:
    """A key: typed unseen, or the first line of standard input.

    Raises:
        Problem: none was given.
    """
    typed: str = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not typed.strip():
        raise Problem("No key was given.", "Type it at the prompt, or send it: bitting keys verify < file")
    return typed.strip()
