"""docs/reference/cli.md: every command with its arguments and options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from bitting.cli import app
from tools.reference.markdown import anchor, code, codes, document, table

_INTRODUCTION = """
The command line works on the database itself, with the [settings](settings.md) of the folder that it is started in.
Whoever can run it may do anything: it is for operators, and the audit trail says that it was the operator. Most
commands need no running server.

Commands print for people; with `--json` they print what the API would answer. What goes wrong is said on standard
error, with exit status 1 (2 for a command line that can't be read).
"""


def page() -> str:
    """The page."""
    commands = list(every_command())
    contents = "\n".join(f"- [{code(name)}]({anchor(name)}): {_first(command)}" for name, command in commands)
    return document("Command line", _INTRODUCTION, contents, *(_section(name, command) for name, command in commands))


def every_command() -> Iterator[tuple[str, Any]]:
    """Every command, by its whole name."""
    yield from _below("bitting", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    for part, inner in getattr(command, "commands", {}).items():
        whole = f"{name} {part}"
        if hasattr(inner, "commands"):
            yield from _below(whole, inner)
        else:
            yield whole, inner


def _first(command: Any) -> str:
    return str(command.help).split("\n\n")[0]


def _section(name: str, command: Any) -> str:
    arguments = [param for param in command.params if not _is_option(param)]
    options = [param for param in command.params if _is_option(param)]
    usage = " ".join([name, *map(_placeholder, arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"## {name}", f"```\n{usage}\n```", command.help]
    if arguments:
        parts.append(table(["argument", "", ""], [_argument(param) for param in arguments]))
    if options:
        parts.append(table(["option", "default", ""], [_option(param) for param in options]))
    return "\n\n".join(parts)


def _is_option(param: Any) -> bool:
    return str(param.opts[0]).startswith("-")


def _placeholder(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _argument(param: Any) -> list[str]:
    return [code(_placeholder(param)), "required" if param.required else "", described(param)]


def _option(param: Any) -> list[str]:
    repeated = ", repeatable" if param.multiple else ""
    return [codes(param.opts), _default(param) + repeated, described(param)]


def described(param: Any) -> str:
    """A parameter's help."""
    return param.help or ""


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if isinstance(param.show_default, str):
        return param.show_default
    return "–" if param.default in (None, False) else code(str(param.default))
