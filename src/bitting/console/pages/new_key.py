"""Creating a key in one page that leads to least privilege, and showing its secret, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import Entered
from bitting.console.language import mark
from bitting.console.pages.key_form import key_body, offered, people
from bitting.console.routing import Pages
from bitting.console.snippets import creating_snippets, reading_snippets, sample_value
from bitting.core.ids import new_id
from bitting.core.problems import Flaw, InvalidInput
from bitting.datasets.service import list_datasets, read_dataset
from bitting.keys.schemas import KeyCreate
from bitting.keys.service import create_key
from bitting.roles.service import create_role, list_roles

pages = Pages("keys")

PRESETS = ("web-form", "read-only", "custom")
_MOST = PageRequest(limit=1000)
_NO_DATASET = mark("Choose the dataset in which the form creates records.")
_LIMIT_NAME = mark("A lower-case letter, then lower-case letters, digits, - and _.")
_NO_FIELD = mark("Tick what the form sends.")
_NEEDED = mark("No record is without %(properties)s: tick that as well.")


@pages.get("/keys/new")
def show_form(asked: Asked) -> Response:
    """The form of a new key; `preset` fills it in."""
    preset = asked.query("preset")
    chosen = preset if preset in PRESETS else PRESETS[-1]
    return _form(asked, Entered({"preset": [chosen], **_filled(chosen)}))


@pages.post("/keys/new")
def make_key(asked: Asked) -> Response:
    """Creates the key; sent twice, the form makes one key and shows its secret once."""
    entered = asked.entered
    try:
        body = _body(asked)
        snippets = reading_snippets(asked)
        if entered.one("preset") == "web-form":
            grant, record = _web_form(asked, entered.one("dataset"))
            body["role"], snippets = _role_of(asked, grant), creating_snippets(asked, record)
        context = replace(asked.calling("POST /v1/keys"), idempotency_key=entered.one("once")[:255] or None)
        view = create_key(asked.backend, context, body).view
    except InvalidInput as error:
        return _form(asked, entered.with_flaws(in_form(asked, error)), 422)
    return asked.page("keys/created.html", key=view, snippets=snippets, rotated=False)


def shown_secret(asked: Asked, view: dict[str, Any]) -> Response:
    """The page with a key's new secret, after a rotation."""
    return asked.page("keys/created.html", key=view, snippets=reading_snippets(asked), rotated=True)


def _form(asked: Asked, entered: Entered, status: int = 200) -> Response:
    datasets = list_datasets(asked.backend, asked.calling("GET /v1/datasets"), _MOST)["items"]
    values = {
        "preset": entered.one("preset", PRESETS[-1]),
        "presets": PRESETS,
        "datasets": [one for one in datasets if one["attached"] is None],
        "makes": asked.may("POST /v1/datasets") and not asked.principal.bound,
        "people": people(asked),
        "once": entered.one("once") or new_id("req"),
    }
    return asked.page("keys/new.html", status, entered=entered, **values, **offered(asked))


def _filled(preset: str) -> dict[str, list[str]]:
    """What a preset fills in: the least that it needs."""
    if preset == "web-form":
        return {"access": ["limited"], "scopes": ["records:write"]}
    return {"access": ["readOnly"]} if preset == "read-only" else {"access": ["limited"]}


def _body(asked: Asked) -> dict[str, Any]:
    entered, administers = asked.entered, asked.principal.is_administrator
    owner = entered.one("owner") if administers else asked.user.id
    more: dict[str, Any] = {"owner": owner or None}
    flaws = []
    if entered.one("preset") == "web-form":
        more |= {"access": "limited", "scopes": ["records:write"], "userType": "user"}
        if not entered.one("dataset"):
            flaws.append(Flaw("dataset", _NO_DATASET))
    return key_body(KeyCreate, entered, administers=administers, more=more, flaws=flaws)


def _web_form(asked: Asked, dataset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The grant that creates records in a dataset's first state with what was ticked, and shows nothing; and a record.

    Raises:
        InvalidInput: nothing was ticked, or not all that each record needs.
    """
    found = read_dataset(asked.backend, asked.calling("GET /v1/datasets/{dataset}"), dataset)
    ticked = asked.entered.all(f"sends-{found['name']}")
    sent = [prop for prop in found["properties"] if prop["name"] in ticked]
    if not sent:
        raise InvalidInput.at(f"sends-{found['name']}", _NO_FIELD)
    missing = [prop["title"] or prop["name"] for prop in found["properties"] if prop["required"] and prop not in sent]
    if missing:
        raise InvalidInput.at(f"sends-{found['name']}", asked.say(_NEEDED) % {"properties": ", ".join(missing)})
    state = found["states"][0]["name"]
    edit = [prop["name"] for prop in sent]
    grant = {"dataset": found["name"], "states": [state], "record": ["create"], "edit": edit}
    needed = [prop for prop in sent if prop["required"]] or sent[:1]
    properties = {prop["name"]: sample_value(prop) for prop in needed}
    return grant, {"dataset": found["name"], "state": state, "properties": properties}


def _role_of(asked: Asked, grant: dict[str, Any]) -> int:
    """The web forms' role with this one grant: made when it isn't there yet."""
    first = name = f"Web form: {grant['dataset']}"
    roles = list_roles(asked.backend, asked.calling("GET /v1/roles"), _MOST)["items"]
    for role in roles:
        if role["name"].startswith(first) and [_given(one) for one in role["grants"]] == [_given(grant)]:
            return int(role["id"])
    taken, number = {role["name"] for role in roles}, 1
    while name in taken:
        number += 1
        name = f"{first} {number}"
    made = create_role(asked.backend, asked.calling("POST /v1/roles"), {"name": name, "grants": [grant]})
    return int(made.view["id"])


def _given(grant: dict[str, Any]) -> dict[str, Any]:
    """What a grant says, without what it leaves as it is by default."""
    defaults: dict[str, Any] = {"where": None, "assignedOnly": False, "record": [], "to": [], "view": [], "edit": []}
    return {name: value for name, value in grant.items() if value != defaults.get(name, ...)}


def in_form(asked: Asked, error: InvalidInput) -> list[Flaw]:
    """The flaws at the fields of the form, which has other names for the parts of limits."""
    renamed = {"rateLimits": "limit", "quota.limit": "quota"}
    flaws = []
    for flaw in error.flaws:
        head = next((path for path in renamed if flaw.path.startswith(path)), None)
        path = flaw.path if head is None else renamed[head] + flaw.path[len(head) :]
        reason = _LIMIT_NAME if path.startswith("limit") and path.endswith(".name") else flaw.reason
        flaws.append(Flaw(path.replace(".windowSeconds", ".window"), asked.say(reason)))
    return flaws
