"""Verifying keys for services that guard their own API."""

from __future__ import annotations

from typing import Any

from bitting.backend import Backend, Context
from bitting.core.authority import parse_scopes
from bitting.core.decisions import Code
from bitting.core.network import parse_address
from bitting.core.principal import Principal
from bitting.core.problems import InvalidInput
from bitting.core.tokens import Secret
from bitting.keys.schemas import Verify
from bitting.verify.authentication import Subject, Verdict


def verify_key(backend: Backend, context: Context, asked: Verify) -> dict[str, Any]:
    """Whether a key of the caller's workspace is valid for what was asked with it."""
    parse_scopes(asked.scopes, context.principal.declared, wildcard=False)
    if asked.ip is not None and parse_address(asked.ip) is None:
        raise InvalidInput.at("ip", "an IPv4 or IPv6 address is expected")
    subject = Subject(Secret(asked.key), tuple(asked.scopes), asked.environment, asked.ip)
    return _view(backend.authenticator.verify(context.principal.workspace, subject))


def _view(verdict: Verdict) -> dict[str, Any]:
    denied = verdict.denied
    said: dict[str, Any] = {
        "valid": denied is None,
        "code": "valid" if denied is None else denied.code.value,
        "reason": "The key is valid." if denied is None else denied.reason,
    }
    if verdict.principal is None or (denied is not None and denied.code is Code.INVALID_KEY):
        return said
    return {**said, **_about(verdict.principal)}


def _about(principal: Principal) -> dict[str, Any]:
    key = principal.key
    if key is None:
        return {}
    return {
        "keyId": key.id,
        "userId": key.owner,
        "userType": principal.user_type.value,
        "role": key.role,
        "access": key.access.value,
        "scopes": list(key.scopes),
        "environment": key.environment,
        "metadata": key.metadata,
    }
