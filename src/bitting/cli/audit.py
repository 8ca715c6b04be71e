"""`bitting audit …`: read the trail, check it, and export its head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bitting.cli.options import Cursor, Json, Limit, Workspace
from bitting.cli.output import cell, moment, print_json, print_table

group = typer.Typer(no_args_is_help=True, help="The audit trail: read it, check it, export its head.")


@group.command("list")
def list_all(
    refusals: Annotated[bool, typer.Option("--refusals", help="Refused calls in place of changes.")] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List changes, or refused calls, newest first."""
    from bitting.api.pages import PageRequest
    from bitting.audit.service import list_audit
    from bitting.cli.errors import as_options
    from bitting.cli.office import seated
    from bitting.store.audit import AuditFilter

    log: Literal["changes", "refusals"] = "refusals" if refusals else "changes"
    with seated(workspace) as desk, as_options({"query.cursor": "--cursor"}):
        page = list_audit(desk.backend, desk.context, PageRequest(limit, cursor), log, AuditFilter())
    if as_json:
        print_json(page)
        return
    columns = _REFUSALS if refusals else _CHANGES
    rows = [[moment(view["at"]), *(view[name] for name in columns.values())] for view in page["items"]]
    print_table(["At (UTC)", *columns], rows, empty="There is nothing yet.")
    if page["nextCursor"]:
        print(f"More: --cursor {page['nextCursor']}")


_CHANGES = {"Line": "seq", "Who": "actor", "Did": "action", "To": "target", "Request": "requestId"}
_REFUSALS = {"Who": "actor", "Asked": "action", "Code": "code", "Reason": "reason"}


@group.command("verify")
def verify(
    heads: Annotated[
        Path | None,
        typer.Option(help="What `audit head --json` printed earlier: shows what was cut off since.", dir_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every workspace's trail; exits with 1 when a chain is broken."""
    from bitting.audit.service import verify_trail
    from bitting.cli.office import opened

    kept = {} if heads is None else _read_heads(heads)
    with opened() as backend:
        reports = verify_trail(backend, kept)
    if as_json:
        print_json([{"workspace": it.workspace, "lines": it.entries, "flaw": it.flaw} for it in reports])
    else:
        rows = [[it.workspace, it.entries, f"BROKEN: {it.flaw}" if it.flaw else "intact"] for it in reports]
        print_table(["Workspace", "Lines that hold", "Chain"], rows, empty="There is no line yet.")
    if any(it.flaw for it in reports):
        raise typer.Exit(1)


def _read_heads(file: Path) -> dict[str, tuple[int, str]]:
    from bitting.cli.errors import Problem
    from bitting.core.jsontext import Malformed, parse

    try:
        given: Any = parse(file.read_bytes())
        return {str(item["workspace"]): (int(item["seq"]), str(item["mac"])) for item in given}
    except OSError as error:
        raise Problem(f"{file} can't be read: {error.strerror}.") from None
    except (Malformed, ValueError, KeyError, TypeError):
        raise Problem(f"{file} is not what `bitting audit head --json` prints.") from None


@group.command("head")
def head(as_json: Json = False) -> None:
    """Print each trail's last line number and MAC, to keep elsewhere; the chains are checked on the way.

    What somebody cuts off the end of a trail shows against a head that was kept.
    """
    from bitting.audit.service import verify_trail
    from bitting.cli.errors import Problem
    from bitting.cli.office import opened

    with opened() as backend:
        reports = verify_trail(backend)
    broken = [it for it in reports if it.flaw]
    if broken:
        where = "; ".join(f"{it.workspace}: {it.flaw}" for it in broken)
        raise Problem(f"A chain is broken ({where}): its head is worth nothing.", "See `bitting audit verify`.")
    if as_json:
        print_json([{"workspace": it.workspace, "seq": it.entries, "mac": it.head} for it in reports])
        return
    rows = [[cell(it.workspace), it.entries, it.head] for it in reports]
    print_table(["Workspace", "Line", "MAC"], rows, empty="There is no line yet.")
