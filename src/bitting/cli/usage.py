"""`bitting usage`: how often keys were used, for what, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bitting.cli import options
from bitting.cli.options import Cursor, Json, Limit, Workspace
from bitting.cli.output import moment, print_json, print_table
from bitting.core.tokens import well_formed
from bitting.core.values import format_instant

if TYPE_CHECKING:
    from bitting.cli.office import Desk
    from bitting.usage.service import UsageRequest

_OPTIONS = {f"query.{name}": f"--{name}" for name in ("from", "to", "outcome", "cursor")} | {
    "query.keyId": "--key",
    "query.groupBy": "--group-by",
}
_WHOLE = 10_000  # more than any span has steps


def usage(
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="2027-01-31T00:00:00Z, or how long ago: 7d. Whole steps are shown.",
            show_default="an hour of minutes, a day of hours, 30 days of days before --to",
        ),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to when; written as --from.", show_default="now")] = None,
    step: Annotated[
        Literal["minute", "hour", "day"], typer.Option(help="Minutes are kept for 48 hours, hours for 90 days.")
    ] = "hour",
    key: Annotated[str | None, typer.Option(help="Of this key alone: its id, key_….", show_default=False)] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Of this alone: valid, or a code such as rate_limited.", show_default=False)
    ] = None,
    group_by: Annotated[
        str, typer.Option(help='Of keyId, outcome, scope, dataset, door, with commas between; "": by time alone.')
    ] = "keyId,outcome",
    limit: Limit = 100,
    cursor: Cursor = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show how often keys were used, for what, and refused why; newest first."""
    from bitting.api.pages import PageRequest
    from bitting.cli.office import seated
    from bitting.usage.service import UsageRequest

    _refuse_secret(key)
    with seated(workspace) as desk:
        now = desk.backend.clock()
        # Both from one clock: a span as long as is allowed is not too long by what the command takes.
        first, last = _instant(start, now, "--from"), _instant(end, now, "--to") or format_instant(now)
        asked = UsageRequest(PageRequest(limit, cursor), first, last, step, key, outcome, group_by)
        page = _answered(desk, asked)
        if as_json:
            print_json(page)
        else:
            _print(desk, asked, page)


def _refuse_secret(key: str | None) -> None:
    if key is not None and well_formed(key):
        raise typer.BadParameter("that is the key itself; its id, key_…, is expected", param_hint="--key")


def _instant(text: str | None, now: int, option: str) -> str | None:
    """An instant as the API takes it: as it was given, or some time before now."""
    if text is None or not text[:-1].isdecimal():
        return text
    try:
        return format_instant(now - options.duration(text, option) * 1_000_000)
    except ValueError:
        raise typer.BadParameter("is before the year 1", param_hint=option) from None


def _answered(desk: Desk, asked: UsageRequest) -> dict[str, Any]:
    from bitting.cli.errors import as_options, naming
    from bitting.usage.service import key_usage, list_usage

    with as_options(_OPTIONS):
        if asked.key_id is None:
            return list_usage(desk.backend, desk.context, asked)
        with naming("key", asked.key_id):
            return key_usage(desk.backend, desk.context, asked.key_id, asked)


def _print(desk: Desk, asked: UsageRequest, page: dict[str, Any]) -> None:
    items = page["items"]
    start, end = (str(moment(page[name]))[:16] for name in ("from", "to"))
    if not items:
        print(f"Nothing was counted from {start} to {end} (UTC).")
        print("`--step day` looks 30 days back, `--from` as far as you say.")
        return
    shown = {"name", *items[0]} if "keyId" in items[0] else {*items[0]}
    columns = {title: name for title, name in _COLUMNS.items() if name in shown}
    known = _names(desk, {view.get("keyId") for view in items})
    # A day has no time of day, and no step has seconds.
    wide = 10 if asked.step == "day" else 16
    rows = []
    for view in items:
        named = {**view, "name": known.get(view.get("keyId"))}
        rows.append([str(moment(view["at"]))[:wide], *(named[name] for name in columns.values()), view["count"]])
    print_table(["From (UTC)", *columns, "Count"], rows, empty="")
    print(f"\nTotal from {start} to {end} (UTC): {_total(desk, asked, page):,}")
    if page["nextCursor"]:
        print(f"More: --cursor {page['nextCursor']}")


_COLUMNS = {
    "Key": "keyId", "Name": "name", "Outcome": "outcome", "Scope": "scope", "Dataset": "dataset", "Door": "door",
}  # fmt: skip


def _names(desk: Desk, ids: set[str | None]) -> dict[str | None, str]:
    """What keys are called, by their ids."""
    with desk.backend.read(desk.context) as reading:
        found = [reading.keys.get(ident) for ident in ids if ident is not None]
    return {row.facts.id: row.facts.name for row in found if row is not None}


def _total(desk: Desk, asked: UsageRequest, page: dict[str, Any]) -> int:
    """Of all pages, whichever of them is shown."""
    from bitting.api.pages import PageRequest

    if asked.page.cursor or page["nextCursor"]:
        whole = replace(asked, page=PageRequest(_WHOLE), group_by="", start=asked.start or page["from"])
        page = _answered(desk, whole)
    return sum(view["count"] for view in page["items"])
