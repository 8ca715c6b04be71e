"""Settings: where they come from, what goes before what, and that secrets stay secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from bitting.backend import Backend, attachable
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.problems import InvalidInput
from bitting.settings import Settings
from tests.support.races import processes_at_once

SECRET = "a secret of the tests, 32 bytes+"
PEPPER = "a pepper of the tests, 32 bytes+"
URL = "postgresql://bitting:hunter2@db.example/bitting"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no variables of ours from outside."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("BITTING_"):
            monkeypatch.delenv(name)
    return tmp_path


def write_file(**values: str) -> None:
    """Writes bitting.toml; the values are TOML."""
    Path("bitting.toml").write_text("".join(f"{name} = {value}\n" for name, value in values.items()))


# --- sources -------------------------------------------------------------------------------------


def test_nothing_needs_to_be_set() -> None:
    """SQLite in the working folder, on loopback, one process, with the plans that come with Bitting."""
    settings = Settings()
    assert settings.database_url.get_secret_value() == "sqlite:///bitting.db"
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.plans == DEFAULT_PLANS
    assert not settings.proxies
    assert settings.peppers == {}


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("BITTING_PORT", "9000", "port", 9000),
        ("bitting_port", "9000", "port", 9000),
        ("BITTING_WORKERS", "4", "workers", 4),
        ("BITTING_HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("BITTING_LOG_LEVEL", "debug", "log_level", "debug"),
        ("BITTING_MAX_BODY_BYTES", "2048", "max_body_bytes", 2048),
        ("BITTING_SECRET_FILE", "/run/secret", "secret_file", Path("/run/secret")),
        ("BITTING_SECRET", SECRET, "secret", SecretStr(SECRET)),
        ("BITTING_DATABASE_URL", URL, "database_url", SecretStr(URL)),
        ("BITTING_TRUSTED_PROXIES", "10.0.0.0/8, ::1 ,", "trusted_proxies", ["10.0.0.0/8", "::1"]),
        ("BITTING_TRUSTED_PROXIES", "", "trusted_proxies", []),
        ("BITTING_PEPPERS__A", PEPPER, "peppers", {"a": SecretStr(PEPPER)}),
        ("BITTING_PEPPERS", f'{{"a": "{PEPPER}"}}', "peppers", {"a": SecretStr(PEPPER)}),
        ("BITTING_PLANS", '{"mine": true}', "plans", {"mine": True}),
    ],
)
def test_the_environment_sets(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str, expected: Any
) -> None:
    """Each setting by its variable; tables by a variable for each member, or as JSON."""
    monkeypatch.setenv(variable, value)
    assert getattr(Settings(), name) == expected


def test_the_file_sets() -> None:
    """Each setting by its name, tables as tables."""
    write_file(
        port="9000",
        database_url=f'"{URL}"',
        trusted_proxies='["10.0.0.0/8"]',
        peppers=f'{{ b = "{PEPPER}", a = "{PEPPER[::-1]}" }}',
        plans="{ mine = true }",
    )
    settings = Settings()
    assert (settings.port, settings.database_url.get_secret_value()) == (9000, URL)
    assert settings.trusted_proxies == ["10.0.0.0/8"]
    assert list(settings.peppers) == ["b", "a"]
    assert settings.plans == {"mine": True}


def test_arguments_go_before_the_environment_and_that_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting by setting: what is not named above comes from below."""
    write_file(port="1", workers="2", host='"file"', max_body_bytes="5000")
    monkeypatch.setenv("BITTING_PORT", "10")
    monkeypatch.setenv("BITTING_WORKERS", "20")
    settings = Settings(port=100)
    assert (settings.port, settings.workers, settings.host, settings.log_level) == (100, 20, "file", "info")


def test_the_order_of_peppers_is_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is for new secrets: which one that is must not be chance."""
    write_file(peppers=f'{{ new = "{PEPPER}", old = "{PEPPER[::-1]}" }}')
    assert next(iter(Settings().peppers)) == "new"
    hasher = Backend.open(Settings(secret=SecretStr(SECRET)), new=True).hasher
    assert hasher.for_new("x")[1] == "hmac-sha256:new"


def test_a_database_that_is_not_there_is_not_made_by_whoever_opens_it(tmp_path: Path) -> None:
    """A program in the wrong folder is told so, and leaves nothing behind; no key would be good there."""
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/bitting.db.* BITTING_DATABASE_URL"):
        Backend.open(Settings())
    assert list(tmp_path.iterdir()) == []


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("BITTING_PORT", "70000", "port"),
        ("BITTING_PORT", "-1", "port"),
        ("BITTING_PORT", "eighty", "port"),
        ("BITTING_WORKERS", "0", "workers"),
        ("BITTING_WORKERS", "257", "workers"),
        ("BITTING_LOG_LEVEL", "loud", "log_level"),
        ("BITTING_MAX_BODY_BYTES", "1", "max_body_bytes"),
        ("BITTING_SECRET", "hunter2", "secret"),
        ("BITTING_PEPPERS__A", "hunter2", "peppers"),
        ("BITTING_TRUSTED_PROXIES", "10.0.0.0/33", "trusted_proxies"),
        ("BITTING_TRUSTED_PROXIES", "10.0.0.1/8", "trusted_proxies"),
        ("BITTING_TRUSTED_PROXIES", "localhost", "trusted_proxies"),
        ("BITTING_PLANS__MINE", "perhaps", "plans"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, place: str
) -> None:
    """The error says which setting and why; what was given may be a secret, and is not in it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [error["loc"][0] for error in caught.value.errors()] == [place]
    assert "hunter2" not in str(caught.value)


def test_an_unknown_name_in_the_file_is_refused() -> None:
    """A misspelt setting is no setting that is silently left at its default."""
    write_file(databse_url='"sqlite:///other.db"', port="9000")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [error["loc"] for error in caught.value.errors()] == [("databse_url",)]


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run, all that is wrong."""
    monkeypatch.setenv("BITTING_PORT", "x")
    monkeypatch.setenv("BITTING_WORKERS", "0")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert {error["loc"][0] for error in caught.value.errors()} == {"port", "workers"}


# --- secrets -------------------------------------------------------------------------------------


def test_secrets_are_hidden_wherever_settings_are_shown() -> None:
    """In repr, str, a dump to Python or to JSON: neither secret, nor pepper, nor the database's password."""
    settings = Settings(secret=SecretStr(SECRET), peppers={"a": SecretStr(PEPPER)}, database_url=SecretStr(URL))
    shown = [repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json()]
    for text in shown:
        assert SECRET not in text and PEPPER not in text and "hunter2" not in text
    assert "**********" in shown[0]


def test_what_is_set_signs(folder: Path) -> None:
    """With `secret` set, no file is made."""
    assert Settings(secret=SecretStr(SECRET)).signing_secret() == SECRET.encode()
    assert list(folder.iterdir()) == []


def test_the_secrets_file_is_made_once_and_for_its_owner_alone(folder: Path) -> None:
    """32 random bytes, mode 0600 whatever the umask, and the same at every later start."""
    before = os.umask(0)
    try:
        first = Settings().signing_secret()
    finally:
        os.umask(before)
    file = folder / "bitting.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(first.decode())) == 32
    assert Settings().signing_secret() == first
    assert [path.name for path in folder.iterdir()] == ["bitting.secret"]


def test_the_secrets_file_is_made_with_its_folder(folder: Path) -> None:
    """Where an operator points it."""
    settings = Settings(secret_file=folder / "a" / "b" / "secret")
    assert settings.signing_secret() == (folder / "a" / "b" / "secret").read_bytes().strip()


def test_an_operators_own_secrets_file_is_taken_as_it_is(folder: Path) -> None:
    """Without the line's end; its mode is theirs."""
    (folder / "bitting.secret").write_text(f"{SECRET}\n")
    assert Settings().signing_secret() == SECRET.encode()


@pytest.mark.parametrize("content", ["", "\n", "short\n", "x" * 31])
def test_a_secrets_file_without_a_secret_is_refused(folder: Path, content: str) -> None:
    """Half written, or emptied: nothing is signed with that, and the text is not repeated."""
    (folder / "bitting.secret").write_text(content)
    with pytest.raises(InvalidInput) as caught:
        Settings().signing_secret()
    assert [flaw.path for flaw in caught.value.flaws] == ["secret_file"]
    assert "short" not in str(caught.value)


_SECRET = """
import sys
from bitting.settings import Settings
settings = Settings(secret_file=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(settings.signing_secret().decode())
"""


def test_processes_that_start_at_once_agree_on_the_secret(folder: Path) -> None:
    """Whoever is first makes it, whole, and the others read that one."""
    for turn in range(2):
        file = folder / f"secret-{turn}"
        said = processes_at_once(_SECRET, str(file), count=3)
        assert {line.strip() for line in said} == {file.read_text().strip()}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["Main", "main pepper", "", "a" * 33])
def test_a_peppers_name_is_one_everywhere(name: str) -> None:
    """The environment folds letter case: a name that it would change is refused, or its keys would be lost."""
    with pytest.raises(ValidationError, match="lower-case"):
        Settings(peppers={name: SecretStr("x" * 32)})


# --- connections ---------------------------------------------------------------------------------

SHOP = "postgresql://reader:hunter2@db.example/shop"


def test_a_connection_may_stand_in_both_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its password in the environment, the rest in the file."""
    Path("bitting.toml").write_text('[connections.shop]\nworkspaces = ["*"]\ntables = ["orders"]\n')
    monkeypatch.setenv("BITTING_CONNECTIONS__SHOP__URL", SHOP)
    shop = Settings().connections["shop"]
    assert shop.url.get_secret_value() == SHOP
    assert (shop.workspaces, shop.tables, shop.statement_timeout_seconds) == (["*"], ["orders"], 30)


@pytest.mark.parametrize(
    ("given", "tables"),
    [("orders", ["orders"]), ("orders, crm.a ,", ["orders", "crm.a"]), ('["a,b", "c"]', ["a,b", "c"]), ("", [])],
)
def test_lists_of_a_connection_take_commas_or_json(
    monkeypatch: pytest.MonkeyPatch, given: str, tables: list[str]
) -> None:
    """From the environment."""
    monkeypatch.setenv("BITTING_CONNECTIONS__SHOP__URL", SHOP)
    monkeypatch.setenv("BITTING_CONNECTIONS__SHOP__TABLES", given)
    assert Settings().connections["shop"].tables == tables


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHOP__URL", "mysql://reader:hunter2@db.example/shop"),
        ("SHOP__URL", "hunter2"),
        ("SHOP__WORKSPACES", "Acme"),
        ("SHOP__WORKSPACES", "[1]"),
        ("SHOP__TABLES", "[orders"),
        ("SHOP__STATEMENT_TIMEOUT_SECONDS", "0"),
        ("SHOP__PASSWORD", "hunter2"),
        ("1SHOP__URL", SHOP),
        ("OTHER__TABLES", "orders"),
    ],
)
def test_a_connection_that_is_wrong_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Another kind of database, a workspace by name (its owner can change that), a setting that isn't one."""
    monkeypatch.setenv("BITTING_CONNECTIONS__SHOP__URL", SHOP)
    monkeypatch.setenv(f"BITTING_CONNECTIONS__{variable}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_no_connection_shows_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even to whoever prints the settings."""
    monkeypatch.setenv("BITTING_CONNECTIONS__SHOP__URL", SHOP)
    settings = Settings()
    rule = attachable(settings)["shop"]
    assert "hunter2" not in repr(settings) + str(settings) + repr(rule) + settings.model_dump_json()
    assert rule.url == SHOP


# --- mail ----------------------------------------------------------------------------------------

MAIL: dict[str, Any] = {"mail_from": "bitting@example.com", "public_url": "https://keys.example.com"}


@pytest.mark.parametrize(
    "url",
    ["smtp://mail.example.com", "smtps://ada:pa%3Ass@mail.example.com:465", "smtp://127.0.0.1:25", "smtp://[::1]"],
)
def test_a_mail_server_is_named_by_a_url(url: str) -> None:
    """With a name and password, or without."""
    settings = Settings(smtp_url=SecretStr(url), **MAIL)
    assert settings.smtp_url is not None
    assert settings.smtp_url.get_secret_value() == url
    assert url not in repr(settings)


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://ada@mail.example.com"]
)
def test_what_is_no_mail_server_is_refused_without_being_repeated(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(ValidationError) as error:
        Settings(smtp_url=SecretStr(url), **MAIL)
    assert "smtp://user:password@host:587" in str(error.value)
    assert f"'{url}'" not in str(error.value)


@pytest.mark.parametrize("missing", MAIL)
def test_mails_need_a_sender_and_where_their_links_lead(missing: str) -> None:
    """Or the first one that somebody waits for would show that."""
    given = {name: value for name, value in MAIL.items() if name != missing}
    with pytest.raises(ValidationError, match=missing):
        Settings(smtp_url=SecretStr("smtp://mail.example.com"), **given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mail_from", "Bitting <bitting@example.com>"), ("mail_from", "bitting"), ("public_url", "keys.example.com"),
        ("public_url", "https://keys.example.com/"), ("public_url", "javascript:alert(1)"),
        ("public_url", "https://ada@keys.example.com"),
    ],
)  # fmt: skip
def test_a_sender_is_an_address_and_the_public_url_an_origin(name: str, value: str) -> None:
    """What would end up in every mail."""
    given: dict[str, Any] = {name: value}
    with pytest.raises(ValidationError):
        Settings(**given)
