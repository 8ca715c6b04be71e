"""Settings: environment variables `BITTING_*`, and `bitting.toml` in the working folder."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bitting.core.emails import check_email
from bitting.core.network import Networks, parse_networks
from bitting.core.plans import DEFAULT_PLANS
from bitting.core.problems import InvalidInput

SETTINGS_FILE = "bitting.toml"
MIN_SECRET = 32


_PEPPER_NAME = re.compile(r"[a-z0-9]{1,32}")
_CONNECTION_NAME = re.compile(r"[a-z](?:[a-z0-9]|[_-](?!_)){0,31}")
_CONNECTION_URL = re.compile(r"(?:sqlite|postgresql(?:\+psycopg)?):.+", re.DOTALL)
_SMTP_URL = re.compile(r"smtps?://(?:[^\s/@:]+:[^\s/@]*@)?(?:[^\s/@:\[\]]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?/?")
_WORKSPACE = re.compile(r"\*|wsp_[A-Za-z0-9]+")


class ConnectionSettings(BaseModel):
    """A database whose tables may be attached, and to which workspaces."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr
    workspaces: Annotated[list[str], NoDecode] = []
    tables: Annotated[list[str], NoDecode] = []
    statement_timeout_seconds: int = Field(30, ge=1, le=3600)

    @field_validator("workspaces", "tables", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _listed(value)

    @field_validator("url")
    @classmethod
    def _known_database(cls, value: SecretStr) -> SecretStr:
        if not _CONNECTION_URL.fullmatch(value.get_secret_value()):
            raise ValueError("a URL of SQLite (sqlite:///path) or PostgreSQL (postgresql://…) is expected")
        return value

    @field_validator("workspaces")
    @classmethod
    def _workspace_ids(cls, value: list[str]) -> list[str]:
        # A workspace's owner may give it any name: by name, one tenant could put itself in another's place.
        if not all(_WORKSPACE.fullmatch(item) for item in value):
            raise ValueError('ids of workspaces (wsp_…; `bitting workspaces list` shows them) or "*" are expected')
        return value


def _listed(value: object) -> object:
    """A list from the environment: separated by commas, or JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("a list with commas between, or as JSON, is expected") from None
    return [part.strip() for part in value.split(",") if part.strip()]


class Settings(BaseSettings):
    """Everything that an operator can set; each field's description is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix="BITTING_",
        env_nested_delimiter="__",
        toml_file=SETTINGS_FILE,
        extra="forbid",
        hide_input_in_errors=True,  # what is refused may be a secret
    )

    database_url: SecretStr = Field(
        SecretStr("sqlite:///bitting.db"),
        description="Where Bitting keeps its data: `sqlite:///path` or `postgresql://user:password@host/name`.",
    )
    secret: SecretStr | None = Field(
        None,
        min_length=MIN_SECRET,
        description="Signs the audit trail; at least 32 characters, the same for every process. Without it, "
        "`secret_file` is used.",
    )
    secret_file: Path = Field(
        Path("bitting.secret"), description="Holds the secret when `secret` is not set; made on first use, mode 0600."
    )
    peppers: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Name to pepper (at least 32 characters) for the stored digests of keys. The first is used for new "
        "secrets, all of them for finding old ones.",
    )
    plans: dict[str, bool] = Field(
        default_factory=lambda: dict(DEFAULT_PLANS), description="Plan to whether it includes API keys."
    )
    connections: dict[str, ConnectionSettings] = Field(
        default_factory=dict,
        description="Name to a database whose tables may be attached: `url`, `workspaces` (their ids) and `tables` "
        '(`table` or `schema.table`) that may be used, `"*"` for all; `statement_timeout_seconds` (30).',
    )
    host: str = Field("127.0.0.1", description="Address that `bitting serve` listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that `bitting serve` listens on.")
    workers: int = Field(1, ge=1, le=256, description="Processes that `bitting serve` starts.")
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed "
        "(in the environment: separated by commas).",
    )
    max_staleness: float = Field(
        1.0,
        ge=0.05,
        le=1.0,
        description="Seconds after which a process that has not read of changes serves nothing from its memory: a "
        "revoked key is refused by every process within this time.",
    )
    cache_entries: int = Field(200_000, ge=1, description="How many verified keys each process keeps in memory.")
    cache_megabytes: int = Field(256, ge=1, description="How much memory, about, they may take up in each process.")
    limits: Literal["memory", "exact", "leased"] | None = Field(
        None,
        description="How processes share rate limits: `memory` (each for itself), `leased`, `exact` (needs "
        "`limits_url`). Unless set: `memory` with one worker, `leased` with several.",
    )
    limits_url: SecretStr | None = Field(
        None, description="A Redis or Valkey server that counts rate limits for all processes: `redis://host:6379/0`."
    )
    limits_when_lost: Literal["open", "closed"] = Field(
        "closed", description="While it can't be reached: calls pass uncounted, or are refused."
    )
    max_body_bytes: int = Field(1_048_576, ge=1024, description="Largest request body, in bytes.")
    usage_addresses_days: int = Field(
        30,
        ge=0,
        le=90,
        description="For how many days it is kept from which addresses keys were verified; 0: it isn't counted.",
    )
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="What is logged.")
    metrics_from: Annotated[list[str], NoDecode] = Field(
        default_factory=lambda: ["127.0.0.0/8", "::1"],
        description="Addresses or networks that may read `/metrics`, by the connection itself: what came through a "
        "proxy never may (in the environment: separated by commas).",
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+$",
        description="Where traces are sent, by OTLP over HTTP: `http://127.0.0.1:4318`. Unless set: what "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` says, or none are made. Needs `bitting[otel]`.",
    )

    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@?#]+$",
        description="Where people reach the console from outside: `https://keys.example.com`. Links in mails and on "
        "the command line begin with it.",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="A server that takes mail: `smtp://user:password@host:587` (STARTTLS) or "
        "`smtps://user:password@host:465`. Without it no mail is sent: who invites somebody is shown the link.",
    )
    mail_from: str | None = Field(None, description="The sender of mails: `bitting@example.com`.")

    @field_validator("trusted_proxies", "metrics_from", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _listed(value)

    @field_validator("trusted_proxies", "metrics_from")
    @classmethod
    def _networks(cls, value: list[str], info: ValidationInfo) -> list[str]:
        parse_networks(value, info.field_name or "")
        return value

    @field_validator("peppers")
    @classmethod
    def _long_enough(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if any(len(pepper.get_secret_value()) < 32 for pepper in value.values()):
            raise ValueError("a pepper has at least 32 characters")
        # The environment knows no letter case, and the name stands beside each digest: it must be one everywhere.
        if any(not _PEPPER_NAME.fullmatch(name) for name in value):
            raise ValueError("a pepper's name has lower-case letters and digits, at most 32")
        return value

    @field_validator("connections")
    @classmethod
    def _connection_names(cls, value: dict[str, ConnectionSettings]) -> dict[str, ConnectionSettings]:
        if not all(_CONNECTION_NAME.fullmatch(name) for name in value):
            raise ValueError("a connection's name has lower-case letters, digits and single _ or -, at most 32")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework names it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def sharing(self) -> Literal["memory", "exact", "leased"]:
        """How processes share rate limits."""
        return self.limits or ("memory" if self.workers == 1 else "leased")

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _SMTP_URL.fullmatch(value.get_secret_value()):
            raise ValueError("smtp://user:password@host:587 or smtps://user:password@host:465 is expected")
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str | None) -> str | None:
        reason = None if value is None else check_email(value)
        if reason is not None:
            raise ValueError(reason)
        return value

    @model_validator(mode="after")
    def _mails_have_a_sender(self) -> Self:
        if self.smtp_url is not None and (self.mail_from is None or self.public_url is None):
            raise ValueError("smtp_url: mails need mail_from, and public_url for their links")
        return self

    @model_validator(mode="after")
    def _limits_have_a_server(self) -> Self:
        if self.limits == "exact" and self.limits_url is None:
            raise ValueError("limits: exact limits need limits_url, a Redis or Valkey server")
        return self

    @property
    def proxies(self) -> Networks:
        """The trusted proxies, ready to match."""
        return parse_networks(self.trusted_proxies, "trusted_proxies")

    def signing_secret(self) -> bytes:
        """The secret that signs the audit trail; made and kept in `secret_file` when there is none yet."""
        if self.secret is not None:
            return self.secret.get_secret_value().encode()
        if not self.secret_file.exists():
            self._make_secret()
        secret = self.secret_file.read_bytes().strip()
        if len(secret) < MIN_SECRET:
            raise InvalidInput.at("secret_file", f"{self.secret_file} must hold at least {MIN_SECRET} characters")
        return secret

    def _make_secret(self) -> None:
        self.secret_file.parent.mkdir(parents=True, exist_ok=True)
        # A name that nobody else has: processes of two containers may have the same id.
        descriptor, name = tempfile.mkstemp(prefix=f"{self.secret_file.name}.", dir=self.secret_file.parent)
        draft = Path(name)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(32).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, self.secret_file)  # whoever links first wins; two starting processes agree
        except FileExistsError:
            pass
        finally:
            draft.unlink()
