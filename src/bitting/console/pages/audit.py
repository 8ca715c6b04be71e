"""The audit trail: who changed what and how it stood before, and who was refused what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from bitting.api.pages import PageRequest
from bitting.audit.service import list_audit
from bitting.console.asked import Asked
from bitting.console.language import mark
from bitting.console.routing import Pages
from bitting.core.differences import MISSING, Path, differences
from bitting.core.ids import is_id
from bitting.core.jsontext import canonical
from bitting.keys.service import key_names
from bitting.store.audit import AuditFilter
from bitting.store.users import UserFilter
from bitting.users.people import list_people, user_names

pages = Pages("audit")

LOGS = ("changes", "refusals")
ACTIONS: Mapping[str, str] = {
    "key.create": mark("Key created"),
    "key.change": mark("Key changed"),
    "key.disable": mark("Key disabled"),
    "key.enable": mark("Key enabled"),
    "key.rotate": mark("Key rotated"),
    "key.revoke": mark("Key revoked"),
    "key.exposed": mark("Key exposed"),
    "role.create": mark("Role created"),
    "role.change": mark("Role changed"),
    "role.delete": mark("Role deleted"),
    "user.create": mark("User created"),
    "user.change": mark("User changed"),
    "user.delete": mark("User deleted"),
    "user.invite": mark("Invitation made"),
    "user.resetLink": mark("Reset link made"),
    "user.password": mark("Password set"),
    "session.create": mark("Logged in"),
    "session.end": mark("Session ended"),
    "session.endAll": mark("Logged out everywhere"),
    "dataset.create": mark("Dataset created"),
    "dataset.attach": mark("Table attached"),
    "dataset.change": mark("Dataset changed"),
    "dataset.detach": mark("Table detached"),
    "dataset.delete": mark("Dataset deleted"),
    "dashboard.create": mark("Dashboard created"),
    "dashboard.change": mark("Dashboard changed"),
    "dashboard.delete": mark("Dashboard deleted"),
    "resources.declare": mark("Resources declared"),
    "route.create": mark("Route created"),
    "route.change": mark("Route changed"),
    "route.delete": mark("Route deleted"),
    "workspace.create": mark("Workspace created"),
    "workspace.change": mark("Workspace changed"),
    "workspace.delete": mark("Workspace deleted"),
}
"""What each action of the trail is called; one that is not here is shown as it is."""
_OPERATOR, _OPERATORS_NAME = "operator", mark("Operator")
_KEY = mark("key “%(name)s”")
_EMPTY, _YES, _NO = mark("empty"), mark("yes"), mark("no")
_PLACES = {"user": "users", "key": "keys", "role": "roles", "dataset": "datasets", "dashboard": "dashboards"}
_UNSAID = frozenset({"updatedAt"})  # differs with every change
_PAGE, _HISTORY = 50, 20


@pages.get("/audit")
def show_audit(asked: Asked) -> Response:
    """The trail, newest first, or what was refused."""
    refusals = asked.query("log") == LOGS[1]
    target = None if refusals else asked.query("target")
    chosen = AuditFilter(actor=asked.query("actor"), action=asked.query("action"), target=target)
    page = PageRequest(_PAGE, asked.query("cursor"))
    log = LOGS[refusals]
    found = list_audit(
        asked.backend, asked.calling("GET /v1/audit"), page, "refusals" if refusals else "changes", chosen
    )
    names = _names(asked, found["items"])
    return asked.page(
        "audit/list.html",
        found=found,
        log=log,
        lines=found["items"] if refusals else [_line(asked, item, names) for item in found["items"]],
        chosen=chosen,
        filtered=chosen != AuditFilter(),
        who=_who(asked, names),
        actors=_actors(asked, chosen.actor, names),
        actions=_actions(asked, chosen.action),
    )


def history_of(asked: Asked, target: str) -> list[dict[str, Any]]:
    """The last changes of a thing, newest first: when, what and who, in words; for who may read the trail."""
    if not asked.may("GET /v1/audit"):
        return []
    chosen = AuditFilter(target=target)
    items = list_audit(asked.backend, asked.calling("GET /v1/audit"), PageRequest(_HISTORY), "changes", chosen)["items"]
    who = _who(asked, _names(asked, items))
    return [
        {"at": item["at"], "what": _what(asked, item), "who": who.get(item["actor"], item["actor"])} for item in items
    ]


def _what(asked: Asked, item: dict[str, Any]) -> str:
    return asked.say(ACTIONS.get(item["action"], item["action"]))


def _line(asked: Asked, item: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A change as it is read: in words, with what differs."""
    before, after = item["before"], item["after"]
    label = names.get(item["target"]) or _name_in(after) or _name_in(before) or item["target"]
    return {
        **item,
        "what": _what(asked, item),
        "label": label,
        "place": _place(item),
        "differences": _differences(asked, before, after),
        "fresh": before is None,
    }


def _differences(asked: Asked, before: Any, after: Any) -> list[dict[str, str]]:
    found = differences({} if before is None else before, {} if after is None else after)
    return [
        {"path": _path(one.path), "before": _value(asked, one.before), "after": _value(asked, one.after)}
        for one in found
        if not (one.path and one.path[0] in _UNSAID)
    ]


def _path(path: Path) -> str:
    """`grants 2 › view`: members by their names, items of lists counted from one."""
    said = ""
    for part in path:
        said += f" {part + 1}" if isinstance(part, int) else f" › {part}" if said else part
    return said


def _value(asked: Asked, value: Any) -> str:
    if value is MISSING:
        return ""
    if value is None or value in ([], {}, ""):
        return asked.say(_EMPTY)
    if isinstance(value, bool):
        return asked.say(_YES if value else _NO)
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return canonical(value).decode()


def _names(asked: Asked, items: list[dict[str, Any]]) -> dict[str, str]:
    """The names of the users and keys that a page of lines speaks of, as far as they stand."""
    idents = {item["actor"] for item in items} | {item.get("target") for item in items}
    users = {ident for ident in idents if ident and is_id("usr", ident)}
    keys = {ident for ident in idents if ident and is_id("key", ident)}
    return {
        **user_names(asked.backend, asked.calling("GET /v1/users"), users),
        **key_names(asked.backend, asked.calling("GET /v1/keys"), keys),
        _OPERATOR: asked.say(_OPERATORS_NAME),
    }


def _who(asked: Asked, names: Mapping[str, str]) -> dict[str, str]:
    """The same for who did something: a key is told apart from a person."""
    return {ident: asked.say(_KEY) % {"name": name} if is_id("key", ident) else name for ident, name in names.items()}


def _name_in(view: Any) -> str | None:
    """What a thing was called; a route has no name but what it matches."""
    if not isinstance(view, dict):
        return None
    name = view.get("name") or " ".join(view[part] for part in ("method", "path") if isinstance(view.get(part), str))
    return name if isinstance(name, str) and name else None


def _place(item: dict[str, Any]) -> str | None:
    """The path of the page about a line's target, if there may be one."""
    subject, _, done = item["action"].partition(".")
    if item["target"] is None or subject not in _PLACES or done == "delete":
        return None
    return f"/{_PLACES[subject]}/{item['target']}"


def _actors(asked: Asked, chosen: str | None, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Whose lines may be asked for: the newest users, whoever runs Bitting, and the one that was asked for."""
    people = list_people(asked.backend, asked.calling("GET /v1/users"), PageRequest(1000), UserFilter())["items"]
    offered = {user["id"]: f"{user['name']} ({user['email']})" for user in people}
    offered[_OPERATOR] = asked.say(_OPERATORS_NAME)
    if chosen is not None:
        offered.setdefault(chosen, _who(asked, names).get(chosen, chosen))
    return list(offered.items())


def _actions(asked: Asked, chosen: str | None) -> list[tuple[str, str]]:
    offered = {action: asked.say(words) for action, words in ACTIONS.items()}
    if chosen is not None:
        offered.setdefault(chosen, chosen)
    return list(offered.items())
