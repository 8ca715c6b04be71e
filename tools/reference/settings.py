"""docs/reference/settings.md: every setting."""

from __future__ import annotations

import json
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bitting.settings import SETTINGS_FILE, Settings
from tools.reference.markdown import code, document, table

_INTRODUCTION = f"""
Each setting can be given as an environment variable or in `{SETTINGS_FILE}` in the folder that Bitting is started in.
The environment goes before the file. A name that isn't listed here is an error in the file. `bitting settings` shows
what is in force and where each value comes from; secrets are hidden.

`bitting init` and `bitting workspaces create` also read `BITTING_OWNER_PASSWORD`, the new owner's password, where
nobody can be asked for it. It is not a setting, and isn't kept.
"""

_EXAMPLES = f"""
## In a file

```toml
# {SETTINGS_FILE}
database_url = "postgresql://bitting@db.internal/bitting"
host = "0.0.0.0"
workers = 4
trusted_proxies = ["10.0.0.5", "10.1.0.0/16"]

[plans]
free = false
team = true
unlimited = true

[connections.shop]
url = "postgresql://reader:…@db.internal/shop"
workspaces = ["wsp_…"]
tables = ["orders", "crm.customers"]
```

## In the environment

Lists take commas; tables take JSON, and replace the default as a whole:

```sh
BITTING_TRUSTED_PROXIES=10.0.0.5,10.1.0.0/16
BITTING_PLANS='{{"free": false, "team": true, "unlimited": true}}'
BITTING_PEPPERS='{{"y2027": "…", "y2026": "…"}}'
```

The parts of a connection have variables of their own, so that a password need not stand in the file:

```sh
BITTING_CONNECTIONS__SHOP__URL='postgresql://reader:…@db.internal/shop'
BITTING_CONNECTIONS__SHOP__WORKSPACES='*'
BITTING_CONNECTIONS__SHOP__TABLES=orders,crm.customers
```

Give `peppers` in one place only, and from the environment as JSON: their order matters.
"""

_TYPES = {"str": "text", "int": "integer", "float": "number", "dict": "table", "list": "list", "Path": "path"}


def page() -> str:
    """The page."""
    rows = [
        [code(name), code(f"BITTING_{name.upper()}"), _type(field), _default(field), described(field)]
        for name, field in Settings.model_fields.items()
    ]
    columns = ["in the file", "in the environment", "type", "default", "what it does"]
    return document("Settings", _INTRODUCTION, table(columns, rows), _EXAMPLES)


def described(field: FieldInfo) -> str:
    """A setting's description."""
    return field.description or ""


def _type(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(code, get_args(field.annotation)))
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType] or [field.annotation]
    kind: Any = kinds[0] if NoneType in get_args(field.annotation) else field.annotation
    if kind is SecretStr:
        return "text, secret"
    if get_origin(kind) is Literal:
        return ", ".join(map(code, get_args(kind)))
    origin = getattr(kind, "__origin__", kind)
    word = _TYPES[getattr(origin, "__name__", str(origin))]
    bounds = {type(item).__name__: item for item in field.metadata}
    low, high = getattr(bounds.get("Ge"), "ge", None), getattr(bounds.get("Le"), "le", None)
    if low is not None:
        word += f", {low} to {high}" if high is not None else f", at least {low}"
    return word


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value is PydanticUndefined or value in ([], {}):
        return "–"
    return code(json.dumps(value) if isinstance(value, dict) else str(value))
