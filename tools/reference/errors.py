"""docs/reference/errors.md: every code, what it means and what to check."""

from __future__ import annotations

from bitting.core.decisions import CODES, Code
from tools.reference.markdown import anchor, code, document, table

_INTRODUCTION = """
Every error is a problem document (RFC 9457, `application/problem+json`):

```json
{
  "type": "/docs/errors#insufficient_permission",
  "title": "Not allowed",
  "status": 403,
  "detail": "The scope 'records:write' is missing: this key is read-only.",
  "code": "insufficient_permission",
  "hint": "Ask for a key, a scope or a user type that includes this, if you should have it.",
  "requestId": "req_NiSq1Jgfz5MwDHBtrqudcJ"
}
```

Decide by `code`: it is stable. `title`, `detail` and `hint` are for people and may change. `type` is relative to the
server that answered: there, `/docs/errors` lists the codes. `errors`, where input is at fault, names each place in the
request and the reason. Give `requestId` when you report something; it is also in the `X-Request-Id` header.

A request is judged in a fixed order and the first refusal wins: the credential, the key's life, transport and address,
authority, limits, and last the request itself.
"""

# What each code means, and what its receiver should check.
WORDS: dict[Code, tuple[str, str]] = {
    Code.MISSING_KEY: (
        "The request has no credential.",
        "Is the header's name right, and does it reach the server? Some clients drop `Authorization` on redirects. "
        "Is the environment variable that should hold the key empty?",
    ),
    Code.AMBIGUOUS_CREDENTIALS: (
        "The request has more than one credential: both headers, or one of them twice, even with the same key.",
        "Does a gateway or a client library add a header of its own? Send one.",
    ),
    Code.KEY_IN_URL: (
        "The path or the query holds a key, or a parameter such as `api_key`. Refused beside a good header too.",
        "Move the key to a header. If it was a real key, rotate it: URLs are kept in logs, histories and referrers.",
    ),
    Code.INVALID_KEY: (
        "The key is malformed, has a wrong checksum, or is unknown; in an answer of `verify`, it may also be another "
        "workspace's. The answer is the same for all of these.",
        "Was the key copied whole, with its prefix and without quotes or spaces? Does it belong to this server, and "
        "not to staging? Is the pepper that it was made under still configured?",
    ),
    Code.REVOKED_KEY: (
        "The key was revoked. That is final.",
        "Use the key that replaces it. The audit trail says who revoked this one, and when.",
    ),
    Code.DISABLED_KEY: (
        "The key is switched off; it can be switched on again.",
        "Ask whoever manages keys why. The audit trail says who switched it off.",
    ),
    Code.EXPIRED_KEY: (
        "The key's `expiresAt` has passed, or this secret was replaced by rotation and its overlap is over.",
        "Is a newer secret of the same key in use elsewhere? Then deploy that one here too.",
    ),
    Code.OWNER_DISABLED: (
        "A personal key, whose user is disabled or has left.",
        "Services should use a workspace key, which belongs to nobody.",
    ),
    Code.PLAN_REQUIRED: (
        "The workspace's plan doesn't include API keys.",
        "Operators: `bitting plans` and `bitting workspaces set-plan`.",
    ),
    Code.INSECURE_TRANSPORT: (
        "The key came over plain HTTP from another machine. The attempt is kept among the refusals.",
        "Use `https://`. Behind a proxy that ends TLS: is its address in `trusted_proxies`, and does it send "
        "`X-Forwarded-Proto`?",
    ),
    Code.BROWSER_NOT_ALLOWED: (
        "The key came from a web page (a header `Origin` or `Sec-Fetch-Site`). The attempt is kept among the refusals.",
        "Everybody who opens the page can read the key: rotate it, and call from your server.",
    ),
    Code.IP_NOT_ALLOWED: (
        "The key has an allow-list, and the calling address is not on it; with `verify`: no `ip` was given.",
        "What is your address as the server sees it: NAT, a new egress, IPv6? Behind a proxy: `trusted_proxies`.",
    ),
    Code.INSUFFICIENT_PERMISSION: (
        "The key is good and may not do this: `detail` names the missing scope, user type or right.",
        "`GET /v1/keys/current` shows what the key holds. `write` does not include `read`.",
    ),
    Code.RATE_LIMITED: (
        "A rate limit of the key, of a key it descends from, or of its owner is used up.",
        "Wait for `Retry-After`, then back off; spread work out.",
    ),
    Code.QUOTA_EXCEEDED: (
        "The quota of the key, or of a key it descends from, is used up.",
        "When is the refill? A quota that is never refilled has to be raised.",
    ),
    Code.MALFORMED_BODY: (
        "The body is not one JSON document in UTF-8. What is JSON and still not allowed, such as a name given twice, "
        "is `invalid_request`.",
        "Is the body quoted by the shell as you meant it? Is it empty?",
    ),
    Code.INVALID_REQUEST: (
        "Something in the request is unknown, missing, of the wrong type or out of bounds: `errors` lists all of it.",
        "Each entry has the `path` in the body (or `query.…`) and the `reason`.",
    ),
    Code.IDEMPOTENCY_MISMATCH: (
        "The `Idempotency-Key` came before with another request.",
        "Make a new one for each operation, and repeat it only when you repeat that operation.",
    ),
    Code.NOT_FOUND: (
        "There is no such thing, or this key can't see it: the answer is the same.",
        "Check the id or name. A record with no property that the key's role shows does not exist for it.",
    ),
    Code.CONFLICT: (
        "What stands forbids the change: a name is taken, a role or resource is in use, a state holds records, a key "
        "is revoked.",
        "`detail` says what stands in the way.",
    ),
    Code.STALE: (
        "The thing has changed since you read it: the `If-Match` header names an older version.",
        "Read it again, put your change into what stands now, and send the new `ETag`.",
    ),
    Code.PRECONDITION_REQUIRED: (
        "Roles are changed only with `If-Match`, so that two people can't undo each other's changes unseen.",
        "Read the role and send its `ETag` as `If-Match`.",
    ),
    Code.METHOD_NOT_ALLOWED: (
        "The address exists, but not for this method.",
        "See the [API](api.md).",
    ),
    Code.PAYLOAD_TOO_LARGE: (
        "The body is larger than the setting `max_body_bytes`.",
        "Send less at a time; `bitting records import` has no such bound.",
    ),
    Code.HEADERS_TOO_LARGE: (
        "The URL and the headers together are too large; `detail` names the bound.",
        "A very long `filter`? Headers that a proxy adds, or cookies, which mean nothing here?",
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: (
        "The body doesn't say that it is JSON.",
        "`curl -d` sends a form unless you add `-H 'Content-Type: application/json'`.",
    ),
    Code.UNAVAILABLE: (
        "The database can't be reached, or is too busy, or the server of limits is lost while limits are `closed`. "
        "Nothing is decided on a guess: no key is accepted.",
        "Try again with [exponential backoff](../keys.md#backing-off). Operators: `/readyz`, the database, the server "
        "of limits.",
    ),
    Code.INTERNAL: (
        "A fault in Bitting.",
        "Report it with the `requestId`: the server's log has a line with the place in the code.",
    ),
}


def page() -> str:
    """The page."""
    contents = table(
        ["code", "status", ""],
        [[f"[{code(name)}]({anchor(name)})", str(rule.status), rule.title] for name, rule in CODES.items()],
    )
    return document("Errors", _INTRODUCTION, contents, *map(_section, CODES))


def _section(name: Code) -> str:
    rule = CODES[name]
    meaning, check = WORDS[name]
    return "\n\n".join(
        [f"## {name}", f"**{rule.status} {rule.title}.** {meaning}", f"- Hint: {_escaped(rule.hint)}\n- Check: {check}"]
    )


def _escaped(text: str) -> str:
    """Angle brackets shown as they are."""
    return text.replace("<", "&lt;")
