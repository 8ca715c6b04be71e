"""Decisions: allowed, or denied with a stable code and a reason; never a bare bool.

CODES is the law of DESIGN §5 as a table: the HTTP mapping, the OpenAPI document, docs/reference/errors.md and
the tests are all drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bitting.core.wording import Said


class Code(StrEnum):
    """Every code that an answer may carry."""

    MISSING_KEY = "missing_key"
    AMBIGUOUS_CREDENTIALS = "ambiguous_credentials"
    KEY_IN_URL = "key_in_url"
    INVALID_KEY = "invalid_key"
    REVOKED_KEY = "revoked_key"
    DISABLED_KEY = "disabled_key"
    EXPIRED_KEY = "expired_key"
    OWNER_DISABLED = "owner_disabled"
    PLAN_REQUIRED = "plan_required"
    INSECURE_TRANSPORT = "insecure_transport"
    BROWSER_NOT_ALLOWED = "browser_not_allowed"
    IP_NOT_ALLOWED = "ip_not_allowed"
    INSUFFICIENT_PERMISSION = "insufficient_permission"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    MALFORMED_BODY = "malformed_body"
    INVALID_REQUEST = "invalid_request"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    STALE = "stale"
    PRECONDITION_REQUIRED = "precondition_required"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class CodeRule:
    """What a code means outside: HTTP status, a short title, and what to do next."""

    status: int
    title: str
    hint: str


_HEADERS = "Send the key as 'X-Api-Key: <key>' or 'Authorization: Bearer <key>'"

CODES: dict[Code, CodeRule] = {
    Code.MISSING_KEY: CodeRule(401, "No API key", f"{_HEADERS}."),
    Code.AMBIGUOUS_CREDENTIALS: CodeRule(400, "More than one credential", f"{_HEADERS}: one of them, once."),
    Code.KEY_IN_URL: CodeRule(
        400,
        "A key in the URL",
        f"URLs end up in logs and histories. {_HEADERS}, and rotate this key: treat it as leaked.",
    ),
    Code.INVALID_KEY: CodeRule(
        401,
        "Invalid API key",
        "Was it copied whole, with its prefix? Has it been disabled or replaced? Ask whoever manages your keys.",
    ),
    Code.REVOKED_KEY: CodeRule(401, "Revoked API key", "This key was revoked for good. Ask for a new one."),
    Code.DISABLED_KEY: CodeRule(401, "Disabled API key", "This key is switched off. A manager of keys can enable it."),
    Code.EXPIRED_KEY: CodeRule(
        401, "Expired API key", "This key's end has passed, or it was replaced by rotation. Use the newer key."
    ),
    Code.OWNER_DISABLED: CodeRule(
        401, "The key's owner is disabled", "A personal key works only while its owner does. Ask an administrator."
    ),
    Code.PLAN_REQUIRED: CodeRule(
        403, "The plan has no API keys", "Move the workspace to a plan that includes API keys."
    ),
    Code.INSECURE_TRANSPORT: CodeRule(
        403, "Plain HTTP", "Call over HTTPS. A key that crossed a network in clear text should be rotated."
    ),
    Code.BROWSER_NOT_ALLOWED: CodeRule(
        403, "Sent by a web page", "Never put a key into client-side code. Call from your server, and rotate this key."
    ),
    Code.IP_NOT_ALLOWED: CodeRule(
        403, "Address not allowed", "Call from an address on the key's allow-list, or have the list changed."
    ),
    Code.INSUFFICIENT_PERMISSION: CodeRule(
        403, "Not allowed", "Ask for a key, a scope or a user type that includes this, if you should have it."
    ),
    Code.RATE_LIMITED: CodeRule(429, "Too many requests", "Wait as long as Retry-After says, then back off."),
    Code.QUOTA_EXCEEDED: CodeRule(429, "Quota used up", "Wait for the refill, or have the quota raised."),
    Code.MALFORMED_BODY: CodeRule(400, "Malformed body", "Send one JSON document in UTF-8."),
    Code.INVALID_REQUEST: CodeRule(422, "Invalid request", "Mend what 'errors' names, and send it again."),
    Code.IDEMPOTENCY_MISMATCH: CodeRule(
        422, "Idempotency key used before", "Use a new Idempotency-Key for a request that differs."
    ),
    Code.NOT_FOUND: CodeRule(404, "Not found", "Check the id or name, and whether this key may see it."),
    Code.CONFLICT: CodeRule(409, "Conflict", "Read what stands in the way, and change that first."),
    Code.STALE: CodeRule(412, "Changed meanwhile", "Read it again, and repeat your change with the new ETag."),
    Code.PRECONDITION_REQUIRED: CodeRule(428, "If-Match required", "Read it, and send its ETag as If-Match."),
    Code.METHOD_NOT_ALLOWED: CodeRule(405, "Method not allowed", "See the 'Allow' header and the API's documentation."),
    Code.PAYLOAD_TOO_LARGE: CodeRule(413, "Request too large", "Send a smaller body."),
    Code.HEADERS_TOO_LARGE: CodeRule(
        431, "Request head too large", "Send fewer or shorter headers, and a shorter URL."
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: CodeRule(415, "Unsupported media type", "Send 'Content-Type: application/json'."),
    Code.UNAVAILABLE: CodeRule(503, "Unavailable", "Try again shortly, with exponential backoff."),
    Code.INTERNAL: CodeRule(500, "Internal error", "Report this with the request id. Nothing was changed."),
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """The principal may."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The principal may not: a stable code, and a reason that may be shown to whoever asked.

    `reason` is a plain text, which every encoder takes; `said` is what it was made of, if of a template.
    """

    code: Code
    reason: str
    said: Said | None = None

    @property
    def text(self) -> str:
        """The reason, with what it was made of where that is known."""
        return self.said or self.reason


Decision = Allowed | Denied
ALLOWED = Allowed()


def insufficient(reason: str) -> Denied:
    """A denial by authority."""
    if isinstance(reason, Said):
        return Denied(Code.INSUFFICIENT_PERMISSION, str(reason), reason)
    return Denied(Code.INSUFFICIENT_PERMISSION, reason)
