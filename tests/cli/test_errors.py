"""What is expected to go wrong is a line or two on standard error, never a traceback."""

import pytest

from bitting.store.migrate import newest_revision
from tests.support.commands import Cli

COMMANDS = [
    ("keys", "list"),
    ("keys", "show", "key_x"),
    ("audit", "verify"),
    ("workspaces", "list"),
    ("roles", "apply", "roles.yaml"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_is_not_there_is_not_made(cli: Cli, command: tuple[str, ...]) -> None:
    """A command in the wrong folder says so, and leaves nothing behind."""
    cli.write("roles.yaml", "name: R")
    said = cli(*command, code=1)
    assert "There is no database at bitting.db" in said.err
    assert "bitting init" in said.err
    assert not (cli.folder / "bitting.db").exists()
    assert not (cli.folder / "bitting.secret").exists()


def test_an_empty_database_asks_for_init(cli: Cli) -> None:
    """Migrated, but without a workspace."""
    assert f"at {newest_revision()}" in cli("migrate").out
    assert "up to date" in cli("migrate").out
    assert cli("migrate", "--json").json["before"] == cli("migrate", "--json").json["after"]
    assert "bitting init" in cli("keys", "list", code=1).err


def test_the_trails_secret_is_not_made_anew(acme: Cli) -> None:
    """A second secret would sign lines that the server's can't verify."""
    (acme.folder / "bitting.secret").unlink()
    said = acme("keys", "create", "--name", "k", code=1)
    assert "BITTING_SECRET" in said.err
    assert not (acme.folder / "bitting.secret").exists()
    assert "bitting.secret" in acme("serve", "--port", "0", code=1).err


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:hunter2@h/d", "oracle+nope://u:hunter2@h/d", "postgresql://u:hunter2@127.0.0.1:1/d"]
)
def test_a_database_that_cant_be_used_is_said_without_its_password(cli: Cli, url: str) -> None:
    """Unreadable, unsupported, unreachable."""
    said = cli("keys", "list", code=1, BITTING_DATABASE_URL=url)
    assert said.err.startswith("Error: ")
    assert "hunter2" not in said.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BITTING_SECRET", "hunter2"),
        ("BITTING_PEPPERS", '{"a": "hunter2"}'),
        ("BITTING_PEPPERS", "hunter2"),
        ("BITTING_PORT", "hunter2"),
        ("BITTING_TRUSTED_PROXIES", "hunter2"),
    ],
)
def test_wrong_settings_are_named_without_their_values(cli: Cli, name: str, value: str) -> None:
    """A secret that is too short must not end up in a log."""
    said = cli("settings", code=1, env={name: value})
    assert name.removeprefix("BITTING_").lower() in said.err
    assert "hunter2" not in said.err + said.out


def test_a_settings_file_that_is_wrong_is_said(cli: Cli) -> None:
    """Broken TOML, and an unknown name in it."""
    cli.write("bitting.toml", "port = ")
    assert "bitting.toml" in cli("settings", code=1).err
    cli.write("bitting.toml", "prot = 1")
    assert "prot" in cli("settings", code=1).err


def test_wrong_usage_exits_with_2(cli: Cli) -> None:
    """As every command line does."""
    assert cli("keys", "create", code=2).out == ""
    assert cli("keys", "fly", code=2).out == ""
    assert "serve" in cli("--help").out
    assert cli("--version").out.strip()


def test_names_cant_steer_the_terminal(acme: Cli) -> None:
    """Control characters in a name that came by the API are shown, not obeyed; JSON stays JSON."""
    name = "evil\x1b[2J\x9bname\u202e"
    made = acme("keys", "create", "--name", name, "--json")
    assert made.json["name"] == name
    for said in (acme("keys", "list"), acme("keys", "show", made.json["id"]), acme("keys", "list", "--json"), made):
        assert not set("\x1b\x9b\u202e") & set(said.out)
    assert "evil\\u001b[2J" in acme("keys", "list").out


def test_a_real_process_ends_with_one_line_and_1(cli: Cli) -> None:
    """Nothing of Python shows."""
    done = cli.process("keys", "list")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "Error: There is no database at bitting.db."
    assert "Traceback" not in done.stderr
