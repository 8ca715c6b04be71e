"""`bitting users`: who may log in, and links to hand over."""

from __future__ import annotations

import re

import pytest

from bitting.backend import Backend
from bitting.sessions.service import Begun, log_in, look_at_link, redeem_link
from bitting.settings import Settings
from tests.support.commands import PASSWORD, Cli

ADA = "ada@acme.example"
_LINK = re.compile(r"(https?://[^/\s]+)/console/link/([0-9A-Za-z]{43})")


def backend(cli: Cli) -> Backend:
    return Backend.open(Settings(database_url=f"sqlite:///{cli.folder}/bitting.db"))


def link_in(text: str) -> tuple[str, str]:
    """Where a link leads, and its token: there is one in the text."""
    ((where, token),) = _LINK.findall(text)
    return where, token


def redeemed(cli: Cli, token: str, password: str) -> str | None:
    """Whose address it was that has the password now."""
    opened = backend(cli)
    begun = redeem_link(opened, token, password, address=None, agent=None, request_id=None)
    opened.close()
    user = begun.session.principal.user
    return None if user is None else user.email


def test_a_user_is_created_and_invited(acme: Cli) -> None:
    """With a link to hand over, which lets the person choose a password."""
    said = acme("users", "create", ADA, "--name", "Ada", "--user-type", "administrator")
    where, token = link_in(said.out)
    assert where == "http://127.0.0.1:8000"
    assert "shown this once" in said.out
    assert redeemed(acme, token, "ada's own password") == ADA
    (ada, olga) = acme("users", "list", "--json").json["items"]
    assert (ada["email"], ada["name"], ada["userType"], ada["enabled"]) == (ADA, "Ada", "administrator", True)
    assert olga["email"] == "olga@acme.example"
    assert token not in acme("audit", "list", "--json").out


def test_json_is_json_alone(acme: Cli) -> None:
    """Programs read the user and the link."""
    said = acme("users", "create", ADA, "--json")
    assert said.err == ""
    assert (said.json["email"], said.json["name"], said.json["role"]) == (ADA, "ada", None)
    assert link_in(said.json["link"])
    reset = acme("users", "reset-link", ADA, "--json").json
    assert reset["id"] == said.json["id"]
    assert link_in(reset["link"])


def test_links_begin_with_the_public_url(acme: Cli) -> None:
    """Where people reach the console."""
    said = acme("users", "reset-link", "olga@acme.example", BITTING_PUBLIC_URL="https://keys.acme.example")
    assert link_in(said.out)[0] == "https://keys.acme.example"


def test_a_reset_link_replaces_a_password(acme: Cli) -> None:
    """Of the owner, too: this is how they come back in; whatever the letter case of the address."""
    _, token = link_in(acme("users", "reset-link", "OLGA@acme.example").out)
    assert redeemed(acme, token, "olga's new password") == "olga@acme.example"
    opened = backend(acme)
    came = [
        log_in(opened, "olga@acme.example", password, address=None, agent=None, request_id=None)
        for password in (PASSWORD, "olga's new password")
    ]
    opened.close()
    assert [isinstance(one, Begun) for one in came] == [False, True]


def test_disabling_ends_what_the_user_has(acme: Cli) -> None:
    """Links too; enabling lets the user come back, and makes nothing good again."""
    acme("users", "create", ADA)
    _, token = link_in(acme("users", "reset-link", ADA).out)
    assert "no" in acme("users", "disable", ADA).out
    assert "disabled" in acme("users", "reset-link", ADA, code=1).err
    assert acme("users", "enable", ADA, "--json").json["enabled"] is True
    opened = backend(acme)
    assert look_at_link(opened, token) is None
    opened.close()


def test_a_role_is_given_by_name(acme: Cli) -> None:
    """As to keys."""
    acme.write("role.json", '{"name": "Reader", "grants": [{"dataset": "things", "states": "*", "view": "*"}]}')
    acme("roles", "apply", "role.json")
    assert acme("users", "create", ADA, "--role", "Reader", "--json").json["role"] == 1
    assert "there is no role 'Writer'" in acme("users", "create", "b@acme.example", "--role", "Writer", code=1).err


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("create", "ada"), "EMAIL"),
        (("create", ADA, "--user-type", "king"), "--user-type"),
        (("create", ADA, "--name", " "), "--name"),
        (("create", "olga@acme.example"), "Another user"),
        (("reset-link", "nobody@acme.example"), "EMAIL"),
        (("disable", "nobody@acme.example"), "EMAIL"),
        (("disable", "olga@acme.example"), "owner"),
    ],
)
def test_what_is_wrong_is_named(acme: Cli, args: tuple[str, ...], named: str) -> None:
    """In a line; and no user is made."""
    said = acme("users", *args, code=1)
    assert said.err.startswith("Error: ")
    assert named in said.err
    assert len(acme("users", "list", "--json").json["items"]) == 1
