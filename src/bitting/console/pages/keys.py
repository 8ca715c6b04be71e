"""Keys: the list, one key with what it can reach, and what is done to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from bitting.api.etags import etag
from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked
from bitting.console.language import mark
from bitting.console.pages import new_key
from bitting.console.pages.audit import history_of
from bitting.console.pages.key_form import LIMIT_ROWS, key_body, offered, people, typed_of
from bitting.console.pages.usage import by_outcome, summary
from bitting.console.routing import Pages
from bitting.core.errors import NotFound
from bitting.core.ids import new_id
from bitting.core.network import parse_networks
from bitting.core.problems import InvalidInput
from bitting.keys.explaining import explain_access
from bitting.keys.schemas import KeyChange, Rotate
from bitting.keys.service import (
    Wanted,
    change_key,
    disable_key,
    enable_key,
    list_keys,
    read_key,
    revoke_key,
    rotate_key,
)
from bitting.roles.service import read_role
from bitting.usage.service import key_usage

pages = Pages("keys")
pages.routes += new_key.pages.routes  # before those with an id in their place

STATUSES = ("active", "disabled", "expired", "revoked")
_PAGE = 50
_WRONG_NAME = mark("That is not the key's name: nothing was done.")


@pages.get("/keys")
def show_keys(asked: Asked) -> Response:
    """The keys that are wanted, newest first."""
    wanted = Wanted(
        search=asked.query("search"),
        status=_one_of(asked.query("status"), STATUSES),
        owner=asked.query("owner"),
        role=_number(asked.query("role")),
        unused_days=_number(asked.query("unused")),
        ending_days=_number(asked.query("ending")),
    )
    page = PageRequest(_PAGE, asked.query("cursor"), count=True)
    found = list_keys(asked.backend, asked.calling("GET /v1/keys"), page, wanted)
    known = {"people": people(asked), **offered(asked)}
    return asked.page("keys/list.html", found=found, wanted=wanted, filtered=wanted != Wanted(), **known)


@pages.get("/keys/check-addresses")
def check_addresses(asked: Asked) -> Response:
    """Says of an allow-list that is being typed what is wrong with it."""
    lines = [line.strip() for line in (asked.query("value") or "").replace(",", "\n").splitlines() if line.strip()]
    try:
        parse_networks(lines, "")
    except InvalidInput as error:
        return JSONResponse({"errors": [asked.say(flaw.reason) for flaw in error.flaws]})
    return JSONResponse({"errors": []})


@pages.get("/keys/{key_id}")
def show_key(asked: Asked, key_id: str) -> Response:
    """One key, what it can reach, how it is used, and what was done to it."""
    return _detail(asked, key_id)


@pages.get("/keys/{key_id}/edit")
def show_edit(asked: Asked, key_id: str) -> Response:
    """The form of a key that stands."""
    key = read_key(asked.backend, asked.calling("GET /v1/keys/{key_id}"), key_id)
    return _edit(asked, key, etag(key), typed_of(key))


@pages.post("/keys/{key_id}/edit")
def change(asked: Asked, key_id: str) -> Response:
    """Changes a key, if it still is as the form had it."""
    key = read_key(asked.backend, asked.calling("GET /v1/keys/{key_id}"), key_id)
    try:
        asked_for = key_body(KeyChange, asked.entered, administers=asked.principal.is_administrator)
        # Only what differs: who may not set a field may still change the others.
        given = {name: value for name, value in asked_for.items() if value != key.get(name)}
        if "expiresAt" in given and (key["expiresAt"] or "")[:10] == (given["expiresAt"] or "")[:10]:
            del given["expiresAt"]
        context = asked.calling("PATCH /v1/keys/{key_id}", if_match=asked.entered.one("tag") or None)
        change_key(asked.backend, context, key_id, given)
    except InvalidInput as error:
        entered = asked.entered.with_flaws(new_key.in_form(asked, error))
        return _edit(asked, key, entered.one("tag"), entered)
    return asked.redirect(f"/keys/{key_id}", "key-changed")


def _edit(asked: Asked, key: dict[str, Any], tag: str, entered: Entered) -> Response:
    rows = range(max(LIMIT_ROWS, len(key["rateLimits"])))
    shown = {**offered(asked), "limit_rows": rows}
    return asked.page("keys/edit.html", 422 if entered.flaws else 200, key=key, tag=tag, entered=entered, **shown)


@pages.post("/keys/{key_id}/disable")
def disable(asked: Asked, key_id: str) -> Response:
    """Switches a key off."""
    disable_key(asked.backend, asked.calling("POST /v1/keys/{key_id}/disable"), key_id)
    return asked.redirect(f"/keys/{key_id}", "key-disabled")


@pages.post("/keys/{key_id}/enable")
def enable(asked: Asked, key_id: str) -> Response:
    """Switches it on again."""
    enable_key(asked.backend, asked.calling("POST /v1/keys/{key_id}/enable"), key_id)
    return asked.redirect(f"/keys/{key_id}", "key-enabled")


@pages.post("/keys/{key_id}/rotate")
def rotate(asked: Asked, key_id: str) -> Response:
    """Gives a key a new secret, and shows it; sent twice, the form rotates once."""
    seconds = _number(asked.entered.one("overlap")) or 0
    overlap = checked(Rotate, {"overlapSeconds": seconds})["overlapSeconds"]
    context = asked.calling("POST /v1/keys/{key_id}/rotate")
    context = replace(context, idempotency_key=asked.entered.one("once")[:255] or None)
    outcome = rotate_key(asked.backend, context, key_id, overlap)
    return new_key.shown_secret(asked, outcome.view)


@pages.post("/keys/{key_id}/revoke")
def revoke(asked: Asked, key_id: str) -> Response:
    """Ends a key for good, once its name was typed in."""
    key = read_key(asked.backend, asked.calling("GET /v1/keys/{key_id}"), key_id)
    if asked.entered.one("confirm").strip() != key["name"].strip():
        return _detail(asked, key_id, asked.say(_WRONG_NAME))
    revoke_key(asked.backend, asked.calling("DELETE /v1/keys/{key_id}"), key_id)
    return asked.redirect(f"/keys/{key_id}", "key-revoked")


def _detail(asked: Asked, key_id: str, revoke_error: str | None = None) -> Response:
    key = read_key(asked.backend, asked.calling("GET /v1/keys/{key_id}"), key_id)
    access = explain_access(asked.backend, asked.calling("GET /v1/keys/{key_id}/access"), key_id)
    return asked.page(
        "keys/detail.html",
        422 if revoke_error else 200,
        key=key,
        access=access,
        reach=[{"dataset": one["dataset"], "rows": _alike(one["states"])} for one in access["datasets"]],
        **_usage(asked, key_id),
        history=history_of(asked, key_id),
        people=people(asked),
        role_name=_role_name(asked, key["role"]),
        revoke_error=revoke_error,
        once=new_id("req"),
    )


def _alike(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is open in a dataset, a row for all the states in which the same is."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        shown = repr([entry[part] for part in ("when", "view", "edit", "record", "to")])
        rows.setdefault(shown, {**entry, "states": []})["states"].append(entry["state"])
    return list(rows.values())


def _role_name(asked: Asked, role: int | None) -> str | None:
    """What a key's role is called, for who may read roles."""
    if role is None or not asked.may("GET /v1/roles"):
        return None
    try:
        return str(read_role(asked.backend, asked.calling("GET /v1/roles/{role_id}"), str(role))["name"])
    except NotFound:  # a revoked key may name one that is gone
        return None


def _usage(asked: Asked, key_id: str) -> dict[str, Any]:
    """What came of the key's calls in the last days."""
    context = asked.calling("GET /v1/keys/{key_id}/usage")
    return summary(asked, key_usage(asked.backend, context, key_id, by_outcome("day")))


def _one_of(value: str | None, known: tuple[str, ...]) -> str | None:
    return value if value in known else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 9 else None
