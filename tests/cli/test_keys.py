"""`bitting keys …`: what the API does, as the operator."""

from typing import Any

import pytest

from bitting.core.tokens import well_formed
from tests.support.commands import Cli


def made(acme: Cli, *options: str) -> Any:
    return acme("keys", "create", "--name", "k", *options, "--json").json


def test_create_takes_every_option(acme: Cli) -> None:
    """Options mirror the fields of the API; the answer is the API's."""
    acme.write("role.yaml", "name: Readers\ngrants:\n- {dataset: things, states: '*', view: '*'}\n")
    acme("roles", "apply", "role.yaml")
    view = made(
        acme,
        "--user-type", "administrator", "--role", "Readers", "--scope", "records:read", "--scope", "keys:*",
        "--environment", "test", "--allow-ip", "10.0.0.0/8", "--allow-ip", "192.0.2.7", "--owner", "OLGA@acme.example",
        "--expires", "2099-01-01T00:00:00+01:00", "--quota", "1000/monthly", "--rate-limit", "burst=100/60s",
        "--rate-limit", "day=5000/1d", "--metadata", '{"team": "x"}',
    )  # fmt: skip
    assert view["key"].startswith("bit_test_")
    assert view["owner"].startswith("usr_")
    assert view["createdBy"] == "operator"
    wanted = {
        "name": "k", "userType": "administrator", "role": 1, "access": "limited",
        "scopes": ["records:read", "keys:*"], "environment": "test", "expiresAt": "2098-12-31T23:00:00Z",
        "quota": {"limit": 1000, "refill": "monthly"}, "metadata": {"team": "x"},
        "rateLimits": [
            {"name": "burst", "limit": 100, "windowSeconds": 60},
            {"name": "day", "limit": 5000, "windowSeconds": 86400},
        ],
    }  # fmt: skip
    assert {name: view[name] for name in wanted} == wanted
    assert sorted(view["allowedIps"]) == ["10.0.0.0/8", "192.0.2.7"]
    assert made(acme, "--role", "1")["role"] == 1


def test_a_span_is_an_end(acme: Cli) -> None:
    """90d is 90 days from now."""
    view = made(acme, "--expires", "90d")
    assert view["createdAt"] < view["expiresAt"] < "2200"


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (("--user-type", "king"), 1, "--user-type"),
        (("--role", "Nobody"), 1, "--role"),
        (("--scope", "moon:read"), 1, "--scope"),
        (("--access", "limited"), 1, "--scope"),
        (("--environment", "X"), 1, "--environment"),
        (("--allow-ip", "10.0.0.256"), 1, "--allow-ip"),
        (("--owner", "x@acme.example"), 1, "--owner"),
        (("--expires", "2001-01-01T00:00:00Z"), 1, "--expires"),
        (("--expires", "tomorrow"), 2, "--expires"),
        (("--expires", "999999999w"), 2, "--expires"),
        (("--quota", "many"), 2, "--quota"),
        (("--quota", "10/yearly"), 1, "--quota"),
        (("--rate-limit", "burst"), 2, "--rate-limit"),
        (("--rate-limit", "burst=0/60s"), 1, "--rate-limit"),
        (("--metadata", "[1]"), 2, "--metadata"),
    ],
)
def test_what_is_wrong_names_its_option(acme: Cli, options: tuple[str, ...], code: int, named: str) -> None:
    """2 for what can't be read, 1 for what the rules refuse; nothing is made."""
    said = acme("keys", "create", "--name", "k", *options, code=code)
    assert named in said.err
    assert len(acme("keys", "list", "--json").json["items"]) == 1


def test_a_keys_life(acme: Cli) -> None:
    """show, disable, enable, rotate, revoke: each answers how the key stands."""
    key = made(acme)
    assert acme("keys", "show", key["id"], "--json").json == {name: key[name] for name in key if name != "key"}
    assert acme("keys", "disable", key["id"], "--json").json["status"] == "disabled"
    assert acme("keys", "verify", input=key["key"], code=1).out.startswith("disabled_key")
    assert acme("keys", "enable", key["id"], "--json").json["status"] == "active"
    newer = acme("keys", "rotate", key["id"], "--overlap", "1h", "--json").json["key"]
    assert well_formed(newer)
    for secret in (newer, key["key"]):
        assert acme("keys", "verify", "--json", input=secret).json["keyId"] == key["id"]
    newest = acme("keys", "rotate", key["id"]).out.split()[1]
    assert acme("keys", "verify", input=newer, code=1).out.startswith("expired_key")
    assert acme("keys", "revoke", key["id"], "--json").json["status"] == "revoked"
    assert acme("keys", "verify", input=newest, code=1).out.startswith("revoked_key")
    assert "revoked" in acme("keys", "enable", key["id"], code=1).err


def test_the_audit_trail_says_that_it_was_the_operator(acme: Cli) -> None:
    """Every change is in it, and no secret."""
    key = made(acme)
    acme("keys", "disable", key["id"])
    lines = acme("audit", "list", "--json").json["items"]
    assert [(line["action"], line["actor"]) for line in lines[:2]] == [
        ("key.disable", "operator"),
        ("key.create", "operator"),
    ]
    assert key["key"] not in acme("audit", "list", "--json").out + acme("audit", "list").out


def test_lists_go_on_by_cursor(acme: Cli) -> None:
    """A page at a time, for people and for programs."""
    for _ in range(3):
        made(acme)
    first = acme("keys", "list", "--limit", "2", "--json").json
    rest = acme("keys", "list", "--limit", "2", "--cursor", first["nextCursor"], "--json").json
    assert len({item["id"] for item in first["items"] + rest["items"]}) == 4
    assert "More: --cursor" in acme("keys", "list", "--limit", "2").out
    assert "--cursor" in acme("keys", "list", "--cursor", "x", code=1).err


def test_verify_reads_the_key_from_standard_input_alone(acme: Cli) -> None:
    """An argument would be seen in process lists and histories."""
    key = made(acme, "--scope", "records:read")["key"]
    acme("keys", "verify", key, code=2)
    assert acme("keys", "verify", "--scope", "records:read", input=key + "\n").out.startswith("valid")
    refused = acme("keys", "verify", "--scope", "records:write", "--json", input=key, code=1).json
    assert refused["code"] == "insufficient_permission"
    assert acme("keys", "verify", "--json", input="bit_nonsense", code=1).json == {
        "valid": False,
        "code": "invalid_key",
        "reason": "This API key isn't valid.",
    }
    assert "No key" in acme("keys", "verify", input="", code=1).err


def test_access_explains_in_words_and_json(acme: Cli) -> None:
    """What a key reaches."""
    key = made(acme, "--scope", "records:read")
    assert acme("keys", "access", key["id"], "--json").json["scopes"] == ["records:read"]
    assert "records:read" in acme("keys", "access", key["id"]).out


@pytest.mark.parametrize("command", ["show", "disable", "enable", "rotate", "revoke", "access"])
def test_an_unknown_key_is_named(acme: Cli, command: str) -> None:
    """With what to check."""
    assert "There is no key 'key_x'" in acme("keys", command, "key_x", code=1).err


def test_verify_says_what_of_a_dataset_a_key_reaches(acme: Cli) -> None:
    """As over HTTP; a dataset that it doesn't reach is a refusal."""
    key = made(acme)["key"]
    assert acme("keys", "verify", "--dataset", "things", "--json", input=key).json["data"] == "always"
    said = acme("keys", "verify", "--dataset", "sesame", "--action", "edit", "--json", input=key, code=1).json
    assert (said["code"], said["data"]) == ("insufficient_permission", "never")
    assert "--action" in acme("keys", "verify", "--action", "edit", input=key, code=1).err
    assert "--action" in acme("keys", "verify", "--dataset", "things", "--action", "x", input=key, code=1).err
    assert "always" in acme("keys", "verify", "--dataset", "things", input=key).out


@pytest.mark.parametrize("command", [("show",), ("access",), ("disable",), ("rotate",), ("revoke",)])
def test_a_key_in_place_of_its_id_is_not_repeated(acme: Cli, command: tuple[str, ...]) -> None:
    """Its id is expected; what a terminal or a log keeps of the mistake holds no secret."""
    secret = made(acme)["key"]
    said = acme("keys", command[0], secret, *command[1:], code=1)
    assert secret not in said.out + said.err
    assert "its id, key_…, is expected" in said.err
