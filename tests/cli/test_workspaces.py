"""`bitting init`, `workspaces` and `plans`."""

import pytest

from bitting.core.tokens import well_formed
from tests.support.commands import Cli

NEW = ("--name", "Acme", "--owner-email", "olga@acme.example")


def test_init_makes_the_first_workspace_and_says_the_key_once(cli: Cli) -> None:
    """Database, secret, workspace, owner and key stand after one command; the key is nowhere else."""
    said = cli("init", *NEW, "--prefix", "taapit")
    (key,) = [word for word in said.out.split() if well_formed(word)]
    assert key.startswith("taapit_")
    assert "only time" in said.out
    assert (cli.folder / "bitting.secret").stat().st_mode & 0o777 == 0o600
    assert key not in cli("keys", "list").out + cli("keys", "list", "--json").out + cli("audit", "list", "--json").out
    assert cli("keys", "verify", input=key).out.startswith("valid")


def test_init_as_json_is_json_alone(cli: Cli) -> None:
    """Programs read workspace, owner and key."""
    said = cli("init", *NEW, "--owner-name", "Olga", "--plan", "small", "--json")
    assert said.json["workspace"]["plan"] == "small"
    assert said.json["owner"]["email"] == "olga@acme.example"
    assert said.json["owner"]["name"] == "Olga"
    assert well_formed(said.json["key"])
    assert said.err == ""


def test_init_refuses_a_second_time(acme: Cli) -> None:
    """There is one first workspace; the error names the command for more."""
    said = acme("init", *NEW, code=1)
    assert "bitting workspaces create" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--name", " ", "--owner-email", "olga@acme.example"), "--name"),
        (("--name", "Acme", "--owner-email", "olga"), "--owner-email"),
        ((*NEW, "--prefix", "Bit"), "--prefix"),
        ((*NEW, "--plan", "golden"), "--plan"),
    ],
)
def test_init_names_the_option_that_is_wrong(cli: Cli, options: tuple[str, ...], named: str) -> None:
    """Each flaw is one line that begins with the option; nothing is made, so that init can be run again."""
    said = cli("init", *options, code=1)
    assert said.err.startswith(f"Error: {named}: ")
    cli("init", *NEW)


def test_a_short_password_is_refused(cli: Cli) -> None:
    """The rule is the same as everywhere, and the password isn't repeated."""
    said = cli("init", *NEW, code=1, BITTING_OWNER_PASSWORD="tooshort")
    assert "password" in said.err
    assert "tooshort" not in said.err


def test_without_a_terminal_the_password_comes_from_the_environment(cli: Cli) -> None:
    """No prompt hangs a script."""
    said = cli("init", *NEW, code=1, input="", BITTING_OWNER_PASSWORD="")
    assert "BITTING_OWNER_PASSWORD" in said.err


def test_several_workspaces_are_told_apart_by_id_or_name(acme: Cli) -> None:
    """With two, a command asks which, and names them."""
    acme("workspaces", "create", "--name", "Bolt", "--owner-email", "b@bolt.example")
    items = acme("workspaces", "list", "--json").json["items"]
    assert [item["name"] for item in items] == ["Acme", "Bolt"]
    said = acme("keys", "list", code=1)
    assert all(item["id"] in said.err and item["name"] in said.err for item in items)
    assert "--workspace" in said.err
    for named in (items[1]["id"], "Bolt"):
        assert len(acme("keys", "list", "--workspace", named, "--json").json["items"]) == 1
    assert "There is no workspace 'Cog'" in acme("keys", "list", "-w", "Cog", code=1).err


def test_a_plan_without_keys_says_so(acme: Cli) -> None:
    """set-plan takes a name, tells what the plan means, and keys follow."""
    said = acme("workspaces", "set-plan", "Acme", "free")
    assert "not included" in said.out
    refused = acme("keys", "create", "--name", "k", code=1)
    assert "plan" in refused.err
    assert "set-plan" in refused.err
    assert acme("workspaces", "set-plan", "Acme", "small", "--json").json["plan"] == "small"
    acme("keys", "create", "--name", "k")
    assert "--plan" not in acme("workspaces", "set-plan", "Acme", "golden", code=1).out


def test_plans_are_the_operators_table(cli: Cli) -> None:
    """They come from the settings."""
    assert cli("plans", "--json").json["free"] is False
    assert "small" in cli("plans").out
    assert cli("plans", "--json", BITTING_PLANS='{"only": true}').json == {"only": True}
