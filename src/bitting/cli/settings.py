"""`bitting settings`: what is in force and where it comes from, without its secrets."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitting.cli.options import Json
from bitting.cli.output import print_json, print_table

if TYPE_CHECKING:
    from bitting.settings import Settings

HIDDEN = "********"


def show(as_json: Json = False) -> None:
    """Show the settings in force, where each comes from, and no secret."""
    from bitting.cli.settings_file import load_settings

    settings = load_settings()
    sources = _sources(settings)
    shown = {
        name: {"value": _shown(name, getattr(settings, name)), "source": sources[name]}
        for name in type(settings).model_fields
    }
    if as_json:
        print_json(shown)
        return
    rows = [[name, row["value"], row["source"]] for name, row in shown.items()]
    print_table(["Setting", "Value", "From"], rows, empty="")


def _shown(name: str, value: Any) -> Any:
    from pydantic import BaseModel, SecretStr

    if isinstance(value, BaseModel):
        return {key: _shown(key, getattr(value, key)) for key in type(value).model_fields}
    if name in ("database_url", "url"):
        return _without_password(value.get_secret_value())
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, dict):
        return {key: _shown("", item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _without_password(url: str) -> str:
    """The database's URL, with the password and whatever its parameters say hidden."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        return HIDDEN
    if parsed.password is not None:
        parsed = parsed.set(password=HIDDEN)
    parsed = parsed.set(query={name: value if name in _HARMLESS else HIDDEN for name, value in parsed.query.items()})
    return parsed.render_as_string(hide_password=False)


_HARMLESS = frozenset({"host", "port", "sslmode", "dbname", "user", "application_name", "connect_timeout"})


def _sources(settings: Settings) -> dict[str, str]:
    """Where each setting comes from: the environment goes before the file, the file before the default."""
    from bitting.settings import SETTINGS_FILE

    file = Path(SETTINGS_FILE)
    in_file = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    in_env = {name.upper() for name in os.environ}
    return {name: _source(name, in_env, in_file) for name in type(settings).model_fields}


def _source(name: str, in_env: set[str], in_file: dict[str, Any]) -> str:
    from bitting.settings import SETTINGS_FILE

    variable = f"BITTING_{name.upper()}"
    if variable in in_env:
        return f"environment ({variable})"
    if any(given.startswith(f"{variable}__") for given in in_env):
        return f"environment ({variable}__…)"
    return SETTINGS_FILE if name in in_file else "default"
