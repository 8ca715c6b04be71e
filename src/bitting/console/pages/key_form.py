"""The form of a key: what it offers, how it is filled in before, and what is read from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bitting.api.models import Body
from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import Entered, checked, number_in
from bitting.core.authority import OWN_RESOURCES, VERIFY, Declared
from bitting.core.jsontext import Malformed, parse
from bitting.core.limits import MAX_RATE_LIMITS
from bitting.core.network import parse_networks
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import told_by
from bitting.resources.service import read_resources
from bitting.roles.service import list_roles
from bitting.users.service import list_users

LIMIT_ROWS = 3
ENDS = {"": None, "30": 30, "90": 90, "365": 365}
"""Days until a key ends, as the form offers them; "date" is for any other."""
_MOST = PageRequest(limit=1000)
_NAMES = {"window": "windowSeconds"}


def offered(asked: Asked) -> dict[str, Any]:
    """What may be chosen from: roles, resources with their actions, and owners."""
    declared = read_resources(asked.backend, asked.calling("GET /v1/resources"))
    administers = asked.principal.is_administrator
    roles = list_roles(asked.backend, asked.calling("GET /v1/roles"), _MOST)["items"] if administers else []
    return {
        "administers": administers,
        "roles": [(role["id"], role["name"]) for role in roles],
        "resources": scope_grid(declared),
        "limit_rows": range(LIMIT_ROWS),
        "ends": list(ENDS),
        "verify_scope": VERIFY,
    }


def people(asked: Asked) -> dict[str, str]:
    """The names of users by their ids, for who may read them."""
    if not asked.principal.is_administrator:
        return {asked.user.id: asked.user.name}
    found = list_users(asked.backend, asked.calling("GET /v1/users"), _MOST)["items"]
    return {user["id"]: user["name"] for user in found}


def scope_grid(declared: Declared) -> list[tuple[str, list[str]]]:
    """Each resource with its actions: what the workspace declared first, since most keys are for it."""
    own = [(name, list(actions)) for name, actions in OWN_RESOURCES.items()]
    return [(name, list(actions)) for name, actions in sorted(declared.items())] + own


def key_body(
    model: type[Body],
    entered: Entered,
    *,
    administers: bool,
    more: Mapping[str, Any] | None = None,
    flaws: Iterable[Flaw] = (),
) -> dict[str, Any]:
    """The body of `POST` or `PATCH /v1/keys` that a filled form asks for, held against its model.

    more: what the form fixes; flaws: what else was found in it.

    Raises:
        InvalidInput: with every flaw, so that nobody mends one to be told of the next.
    """
    body, found = _body_of(entered, administers=administers), [*flaws]
    for part in (_addresses, _end, *((_metadata,) if administers else ())):
        try:
            body |= part(entered)
        except InvalidInput as error:
            found += error.flaws
    try:
        made = checked(model, {**body, **(more or {})})
    except InvalidInput as error:
        raise InvalidInput([*error.flaws, *found]) from None
    if found:
        raise InvalidInput(found)
    return made


def _body_of(entered: Entered, *, administers: bool) -> dict[str, Any]:
    """What stands in the form as it is sent; unfilled fields have the call's defaults."""
    access = entered.one("access", "full")
    body: dict[str, Any] = {
        "name": entered.one("name").strip(),
        "userType": entered.one("userType", "user"),
        "role": number_in(entered, "role"),
        "access": access,
        "scopes": entered.all("scopes") if access == "limited" else [],
    }
    if "environment" in entered:
        body["environment"] = entered.one("environment").strip() or None
    if administers:
        body |= _managed(entered)
    return body


def _addresses(entered: Entered) -> dict[str, Any]:
    lines = entered.lines("allowedIps")
    parse_networks(lines)
    return {"allowedIps": lines}


def _end(entered: Entered) -> dict[str, Any]:
    """When the key is to end: after some days, at the end of a day (UTC), or never."""
    chosen = entered.one("ends")
    if chosen == "date":
        day = entered.one("endDate").strip()
        if not day:
            raise InvalidInput.at("endDate", "required")
        return {"expiresAt": f"{day}T23:59:59Z"}
    days = ENDS.get(chosen)
    end = None if days is None else datetime.now(UTC) + timedelta(days=days)
    return {"expiresAt": None if end is None else end.strftime("%Y-%m-%dT%H:%M:%SZ")}


def typed_of(view: Mapping[str, Any]) -> Entered:
    """A key's form as it is filled in to begin with, of the key as it stands."""
    values = {
        "name": [view["name"]],
        "userType": [view["userType"]],
        "role": [] if view["role"] is None else [str(view["role"])],
        "access": [view["access"]],
        "scopes": list(view["scopes"]),
        "allowedIps": ["\n".join(view["allowedIps"])],
        "ends": ["date" if view["expiresAt"] else ""],
        "endDate": [view["expiresAt"][:10] if view["expiresAt"] else ""],
    }
    values |= limits_typed(view["rateLimits"])
    if view["quota"] is not None:
        values |= {"quota": [str(view["quota"]["limit"])], "refill": [view["quota"]["refill"]]}
    return Entered(values)


def limits_in(entered: Entered) -> list[dict[str, Any]]:
    """The rate limits of the rows that were filled in."""
    rows = [
        row for row in range(MAX_RATE_LIMITS) if any(entered.one(f"limit.{row}.{name}") for name, _ in _limit_fields())
    ]
    return [{wire: _limit_part(entered, row, name) for name, wire in _limit_fields()} for row in rows]


def limits_typed(limits: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The rows as they are filled in to begin with, of limits that stand."""
    return {
        f"limit.{row}.{name}": [str(limit[wire])] for row, limit in enumerate(limits) for name, wire in _limit_fields()
    }


def _managed(entered: Entered) -> dict[str, Any]:
    """What administrators alone set."""
    quota = number_in(entered, "quota")
    return {
        "rateLimits": limits_in(entered),
        "quota": None if quota is None else {"limit": quota, "refill": entered.one("refill", "monthly")},
    }


def _limit_part(entered: Entered, row: int, name: str) -> Any:
    path = f"limit.{row}.{name}"
    return entered.one(path).strip() if name == "name" else number_in(entered, path)


def _limit_fields() -> Iterable[tuple[str, str]]:
    """The fields of a rate limit, in the form and on the wire."""
    return ((name, _NAMES.get(name, name)) for name in ("name", "limit", "window"))


def _metadata(entered: Entered) -> dict[str, Any]:
    """Left out where nothing was typed, so that what stands holds."""
    text = entered.one("metadata").strip()
    try:
        return {"metadata": parse(text.encode())} if text else {}
    except Malformed as error:
        raise InvalidInput.at("metadata", told_by(error)) from None
