"""The root command and its groups. Each command imports what it needs when it runs: `bitting --help` stays quick."""

from __future__ import annotations

from typing import Annotated

import typer

from bitting import __version__
from bitting.cli import (
    apply,
    attach,
    audit,
    doctor,
    keys,
    records,
    routes,
    sample,
    serve,
    settings,
    usage,
    users,
    workspaces,
)
from bitting.cli.errors import ExpectedErrors

# Plain tracebacks for what nobody expected: a pretty one may show the values of variables.
app = typer.Typer(
    cls=ExpectedErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Bitting: API keys that see exactly what their owner lets them see.",
    epilog="Settings come from the environment (BITTING_…) and bitting.toml: see `bitting settings`.",
)


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What stands before the command."""


app.command("init")(workspaces.init)
app.command("serve")(serve.serve)
app.command("migrate")(serve.migrate)
app.command("settings")(settings.show)
app.command("plans")(workspaces.plans)
app.command("sample")(sample.sample)
app.command("attach")(attach.attach)
app.command("doctor")(doctor.doctor)
app.command("usage")(usage.usage)
app.add_typer(workspaces.group, name="workspaces")
app.add_typer(keys.group, name="keys")
app.add_typer(users.group, name="users")
app.add_typer(apply.roles, name="roles")
app.add_typer(apply.datasets, name="datasets")
app.add_typer(records.group, name="records")
app.add_typer(routes.group, name="routes")
app.add_typer(audit.group, name="audit")
