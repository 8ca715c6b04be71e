"""What rooms say - explanations, flaws, refusals - is told in the reader's language; the API says it in English."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitting.backend import Context
from bitting.core.calls import CALLS_BY_NAME
from bitting.records.jobs import Imports, Plan
from bitting.sessions.entering import find_session
from tests.support.api import Workspace
from tests.support.console import Console, Texts, person

Clients = Callable[..., Console]
LANGUAGES = ("uk", "fr")
_ENGLISH = re.compile(
    r"\b(that are|where|when the|view|set|with nothing|delete|move to|must|no such|required|expected|should|needed"
    r"|missing|has \d|is not|at most|at least|the key's owner|doesn't|isn't|later|ago|under|over)\b"
)


def told(page: Any, language: str, *expected: str) -> str:
    """The text of a page, which says what is expected and has no English sentence in it."""
    text = Texts(page.text).text
    for one in expected:
        assert one in text
    assert not _ENGLISH.findall(text), _ENGLISH.findall(text)
    assert f'lang="{language}"' in page.text
    return text


@pytest.fixture(params=LANGUAGES)
def reader(request: pytest.FixtureRequest, console: Clients, here: Workspace) -> tuple[Console, str]:
    """An owner who reads another language than English, and which."""
    client = console(person(here))
    client.client.cookies.set("bitting_language", request.param)
    return client, request.param


@pytest.fixture
def role(here: Workspace) -> int:
    """A role with a condition of every kind."""
    here.dataset(total="integer", note="text", due="date", owner="user")
    where = {
        "total": {"lt": 1000},
        "note": {"contains": "x", "isNull": False},
        "due": {"lt": {"$now": "-7d"}},
        "any": [{"owner": {"$user": "id"}}, {"not": {"total": {"in": [1, 2, 3]}}}],
    }
    return here.role(
        {"dataset": "orders", "states": ["new"], "view": ["total", "note"], "where": where, "assignedOnly": True},
        {"dataset": "orders", "states": ["paid"], "view": ["total"], "edit": ["note"], "record": ["create", "delete"]},
        {"dataset": "orders", "states": ["paid"], "record": ["archive", "changeState"], "to": ["new"]},
        name="Verkauf",
    )


@pytest.fixture
def key(here: Workspace, role: int) -> str:
    return here.key(name="CRM", role=role, owner=here.user("administrator"), userType="administrator").id


OPENS = {
    "uk": ("orders у стані paid: бачити total; задавати note; створювати; архівувати; видаляти; переводити до new.",
           "власник ключа є автором або вказаний у записі", "раніше ніж 7 днів тому"),
    "fr": ("orders à l’état paid : voir total; définir note; créer; archiver; supprimer; passer à new.",
           "le propriétaire de la clé en est l’auteur ou y est nommé", "la date d’il y a 7 jours"),
}  # fmt: skip


def test_what_a_key_reaches(reader: tuple[Console, str], here: Workspace, key: str) -> None:
    """On its page; the API's answer is English, be it asked by whomever."""
    client, language = reader
    page = client.get(f"/keys/{key}")
    told(page, language, *OPENS[language], {"uk": "Керує: панелями", "fr": "Administre : tableaux de bord"}[language])
    words = here.owner.get(f"/v1/keys/{key}/access").json()["words"]
    assert words[0].startswith("orders that are new, where ")
    assert words[1] == "orders that are paid: view total; set note; create; archive; delete; move to new."


def test_what_a_role_opens(reader: tuple[Console, str], role: int) -> None:
    client, language = reader
    told(client.get(f"/roles/{role}"), language)
    told(client.get("/roles"), language)


def test_what_a_change_of_a_role_opens_and_closes(reader: tuple[Console, str], role: int) -> None:
    client, language = reader
    fields: dict[str, Any] = {
        "name": "Verkauf", "grants.0.dataset": "orders", "grants.0.states": ["*"], "grants.0.view": ["*"],
        "grants.0.rows.0.property": "due", "grants.0.rows.0.operator": "lt", "grants.0.rows.0.value": "2026-01-31",
        "do": "review",
    }  # fmt: skip
    page = client.post(f"/roles/{role}/edit", **fields)
    later = {"uk": "доданому пізніше", "fr": "ajouté plus tard"}[language]
    told(page, language, later)


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/users/new", {"email": "nobody", "name": "N"}, {"uk": "має бути адреса пошти", "fr": "une adresse e-mail"}),
        ("/users/new", {"email": "a@b.c", "name": ""}, {"uk": "щонайменше 1 символ", "fr": "au moins 1 caractère"}),
        ("/keys/new", {"name": "x" * 201, "access": "limited", "preset": "custom"},
         {"uk": "щонайбільше 200 символів", "fr": "au plus 200 caractères"}),
        ("/keys/new", {"name": "x", "access": "limited", "preset": "custom", "allowedIps": "10.0.0.1/8"},
         {"uk": "мається на увазі 10.0.0.1", "fr": "s’agit-il de 10.0.0.1"}),
        ("/workspace/routes", {"method": "get", "path": "x//"},
         {"uk": "має починатися з /", "fr": "doit commencer par /"}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_form(
    reader: tuple[Console, str], path: str, fields: dict[str, str], expected: dict[str, str]
) -> None:
    client, language = reader
    page = client.post(path, **fields)
    assert page.status_code == 422
    told(page, language, expected[language])


def test_what_is_wrong_with_a_role(reader: tuple[Console, str], here: Workspace) -> None:
    """The language of conditions has many ways to be wrong."""
    here.dataset(total="integer")
    client, language = reader
    where = (
        '{"total": {"contains": 1}, "gone": 1, "all": 3, "any": [{"total": {"lt": "x"}}], "not": {"state": "nowhere"}}'
    )
    page = client.post(
        "/roles/new", **{"name": "R", "grants.0.dataset": "orders", "grants.0.states": "paid", "grants.0.text": where}
    )
    assert page.status_code == 422
    told(page, language, {"uk": "немає такої властивості", "fr": "cette propriété n’existe pas"}[language])


def test_why_rows_of_a_file_were_not_imported(reader: tuple[Console, str], here: Workspace, tmp_path: Path) -> None:
    """Though they were put down while nobody looked."""
    here.dataset("leads", size="integer", tags={"type": "text", "plural": True})
    client, language = reader
    file = b'size,tags,state\nmany,,new\n1,x,new\n1,,nowhere\n1\n9e99,,\n2,"[""a""]",new\n"3,,new\n'
    session = find_session(here.api.backend, client.client.cookies["bitting_session"])
    assert session is not None
    context = Context(session.principal, CALLS_BY_NAME["POST /v1/records"], "req_test")
    imports = Imports(here.api.backend, tmp_path)
    import_id = imports.receive(context, "leads.csv", io.BytesIO(file), "leads")
    imports.begin(context, import_id, Plan("leads", ("size", "tags", "state"), "new"))
    imports.settle()
    imports.close()
    page = client.get(f"/imports/{import_id}")
    told(
        page,
        language,
        *{
            "uk": (
                "має бути ціле число",
                "має бути список JSON",
                "немає такого стану",
                "має 1 клітинку, а заголовок 3",
            ),
            "fr": ("doit être un entier", "doit être une liste JSON", "cet état n’existe pas", "a 1 cellule"),
        }[language],
    )


def test_a_refusal(reader: tuple[Console, str], here: Workspace, console: Clients) -> None:
    """On the page of whoever is refused, and in the log of refusals, where it is kept in English."""
    client, language = reader
    refused = console(person(here, "user"))
    refused.client.cookies.set("bitting_language", language)
    reason = {
        "uk": "Для «roles:write» потрібен тип користувача «administrator»; тут він «user».",
        "fr": "Le type d’utilisateur « administrator » est nécessaire pour « roles:write » ; ici c’est « user ».",
    }[language]
    page = refused.post("/roles/new", name="R")
    assert page.status_code == 403
    told(page, language, reason)
    told(client.get("/audit", log="refusals"), language, reason)
    kept = here.owner.get("/v1/audit", log="refusals").json()["items"][0]["reason"]
    assert kept == "The user type 'administrator' is needed for 'roles:write'; this principal's is 'user'."


def test_what_stands_in_the_way(reader: tuple[Console, str], here: Workspace, role: int, key: str) -> None:
    """A conflict, a form that is too old, and what isn't there."""
    client, language = reader
    page = client.post(f"/roles/{role}/delete", confirm="Verkauf")
    assert page.status_code == 409
    told(
        page,
        language,
        {"uk": f"Роль використовується: ключ {key}.", "fr": f"Le rôle est utilisé : clé {key}."}[language],
    )
    own = here.key(name="Own").id
    stale = client.post(f"/keys/{own}/edit", name="Other", access="full", tag='"0"')
    assert stale.status_code == 412
    told(stale, language)
    missing = client.get("/roles/999")
    assert missing.status_code == 404
    told(missing, language)
    large = client.post("/roles/new", name="x" * 2_000_000)
    assert large.status_code == 413
    told(large, language, {"uk": "Форма має щонайбільше", "fr": "Un formulaire a au plus"}[language])
    assert here.owner.delete(f"/v1/roles/{role}", headers={"If-Match": "*"}).status_code in (409, 412)
