"""From a request to the facts of a key: everything checked, every flaw named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from bitting.core.authority import Access, Declared, UserType, parse_scopes
from bitting.core.limits import parse_quota, parse_rate_limits
from bitting.core.metadata import check_metadata
from bitting.core.network import parse_networks
from bitting.core.principal import KeyFacts
from bitting.core.problems import Fields, Flaw, InvalidInput, parsed_fields
from bitting.core.tokens import check_environment
from bitting.core.values import parse_instant

Value = TypeVar("Value")


def merge(key: KeyFacts, given: Mapping[str, Any], declared: Declared) -> KeyFacts:
    """The key with the given fields (as on the wire) put in.

    Raises:
        InvalidInput: with every flaw.
    """
    changes, flaws = parsed_fields(given, _FIELDS)
    if "metadata" in changes:
        changes["metadata"] = _merged_metadata(key.metadata, changes["metadata"])
    after = replace(key, **changes)
    flaws += _access_flaws(after, declared, checked=bool({"access", "scopes"} & given.keys()))
    if flaws:
        raise InvalidInput(flaws)
    return replace(after, limits_from=_limits_from(after))


def check_end(key: KeyFacts, given: Mapping[str, Any], now: int) -> None:
    """Holds a given end against now: a replay of an earlier request may name one that has passed.

    Raises:
        InvalidInput: it is not in the future.
    """
    if "expiresAt" in given and key.expires_at is not None and key.expires_at <= now:
        raise InvalidInput.at("expiresAt", "must be in the future")


def _limits_from(key: KeyFacts) -> frozenset[str]:
    others = key.limits_from - {key.id}
    return others | {key.id} if key.rate_limits or key.quota else others


def _merged_metadata(before: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata merged as RFC 7396 says: null removes, objects merge."""
    merged = dict(before)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            inner = merged.get(name)
            merged[name] = _merged_metadata(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[name] = value
    return check_metadata(merged)


def _access_flaws(key: KeyFacts, declared: Declared, *, checked: bool) -> list[Flaw]:
    if not checked:
        return []
    if key.access is not Access.LIMITED:
        return [Flaw("scopes", "only keys with access 'limited' list scopes")] if key.scopes else []
    if not key.scopes:
        return [Flaw("scopes", "a key with access 'limited' lists at least one scope")]
    try:
        parse_scopes(key.scopes, declared)
    except InvalidInput as error:
        return list(error.flaws)
    return []


def _nullable(parse: Callable[[Any, str], Value], path: str) -> Callable[[Any], Value | None]:
    return lambda value: None if value is None else parse(value, path)


def _environment(value: Any) -> str | None:
    reason = None if value is None else check_environment(value)
    if reason is not None:
        raise InvalidInput.at("environment", reason)
    return None if value is None else str(value)


_FIELDS: Fields = {
    "name": ("name", str),
    "userType": ("user_type", UserType),
    "role": ("role", lambda value: value),
    "access": ("access", Access),
    "scopes": ("scopes", tuple),
    "environment": ("environment", _environment),
    "allowedIps": ("allowed_ips", parse_networks),
    "owner": ("owner", lambda value: value),
    "expiresAt": ("expires_at", _nullable(parse_instant, "expiresAt")),
    "rateLimits": ("rate_limits", parse_rate_limits),
    "quota": ("quota", parse_quota),
    "metadata": ("metadata", check_metadata),
}
