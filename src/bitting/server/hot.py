"""The hot call in front of the framework: `POST /v1/keys/verify` as plain ASGI.

It answers what is usual, out of memory or with one read of the store, and decides by the same functions as everything
else. Whatever is not usual (a refused caller, a flaw in the body, a dataset, a body in pieces) goes on to the framework
as it came, so that there is one place for each answer to be made.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bitting.backend import Backend
from bitting.core.authority import VERIFY
from bitting.core.decisions import Denied
from bitting.core.errors import Unavailable
from bitting.core.ids import new_id
from bitting.core.lifecycle import FORWARDING, Transport, transport_of
from bitting.core.network import Networks, parse_address
from bitting.verify.counting import Door
from bitting.verify.entries import Entry, judge
from bitting.verify.limits import Outcome, rate_limit
from bitting.verify.limits import headers as limit_headers
from bitting.verify.verifier import INVALID, UNKNOWN

PATH = "/v1/keys/verify"
MAX_BODY_BYTES = 65_536
_NEEDED = (VERIFY,)
_FORWARDING = frozenset(name.encode() for name in FORWARDING)
_FROM_BROWSER = frozenset({b"origin", b"sec-fetch-site"})
_Headers = list[tuple[bytes, bytes]]
_NOTHING: _Headers = []
_JSON = (b"application/json", b"application/json; charset=utf-8")


class _Asked(Struct, forbid_unknown_fields=True):
    """The body, as `keys.schemas.Verify` has it; what is stricter there is looked at by `_usual`."""

    key: Annotated[str, Meta(max_length=1_000)]
    scopes: Annotated[list[str], Meta(max_length=50)] | UnsetType = UNSET
    environment: Annotated[str, Meta(max_length=16)] | UnsetType | None = UNSET
    ip: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    cost: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Asked).decode


class _Head:
    """What a request's headers say, read once."""

    __slots__ = ("credentials", "forwarded", "forwarded_for", "forwarded_proto", "from_browser", "json")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.credentials: list[str] = []
        self.forwarded = self.from_browser = self.json = False
        self.forwarded_for: tuple[str, ...] = ()
        self.forwarded_proto: tuple[str, ...] = ()
        for name, value in headers:
            if name == b"x-api-key":
                self.credentials.append(value.decode("latin-1").strip())
            elif name == b"authorization":
                scheme, _, rest = value.decode("latin-1").strip().partition(" ")
                if scheme.lower() == "bearer":
                    self.credentials.append(rest.strip())
            elif name == b"content-type":
                self.json = value in _JSON
            elif name in _FROM_BROWSER:
                self.from_browser = True
            elif name in _FORWARDING:
                self._forward(name, value)

    def _forward(self, name: bytes, value: bytes) -> None:
        self.forwarded = True
        if name == b"x-forwarded-for":
            self.forwarded_for = (*self.forwarded_for, value.decode("latin-1"))
        elif name == b"x-forwarded-proto":
            self.forwarded_proto = (*self.forwarded_proto, value.decode("latin-1"))


class HotPath:
    """Wraps the application.

    app: what answers everything else; backend: what to decide by; proxies: the trusted ones.
    """

    def __init__(self, app: ASGIApp, backend: Backend, proxies: Networks) -> None:
        self._app, self._backend = app, backend
        self._verifier, self._lookup = backend.verifier, backend.lookup
        self._transport = lru_cache(maxsize=4096)(_transport_by(proxies))
        self._request_ids = _request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        first = await receive()
        answer, left = None, _NOTHING
        if first["type"] == "http.request" and not first.get("more_body", False):
            answer, left = await self._answer(scope, first.get("body", b""))
        if answer is None:
            await self._app(scope, _again(first, receive), send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
            (b"cache-control", b"no-store"),
            (b"x-request-id", next(self._request_ids)),
            *left,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Scope, body: bytes) -> tuple[bytes | None, _Headers]:
        """The verdict as JSON and the headers of the caller's limits; no verdict: this one is not usual."""
        head = _Head(scope["headers"])
        if len(head.credentials) != 1 or head.from_browser or not head.json or len(body) > MAX_BODY_BYTES:
            return None, _NOTHING
        try:
            caller = await self._caller(scope, head)
            asked = None if caller is None else _usual(body, caller)
            if caller is None or asked is None:
                return None, _NOTHING
            # Looked up before the caller is charged: what the store can't say, the framework is asked again.
            entry = self._lookup.kept(asked.key) or await self._lookup.entry_async(asked.key)
            left = _NOTHING if caller.spend is None else await self._charged(caller)
            return (None, _NOTHING) if left is None else (await self._verdict(caller, entry, asked), left)
        except Unavailable:
            return None, _NOTHING

    async def _verdict(self, caller: Entry, entry: Entry | None, asked: _Asked) -> bytes:
        scopes = tuple(asked.scopes or ())
        if entry is None or entry.workspace != caller.workspace:
            self._verifier.counted(UNKNOWN, Door.VERIFY, caller.workspace, scopes)
            return _refused(INVALID) + b"}"
        cost = asked.cost if isinstance(asked.cost, int) else 1
        verdict = await self._verifier.judge_async(entry, (scopes, _given(asked.environment), _given(asked.ip)), cost)
        self._verifier.counted(verdict, Door.VERIFY, caller.workspace, scopes)
        start = _VALID if verdict.denied is None else _refused(verdict.denied)
        return start + _about(entry, _left(verdict.outcome))

    async def _charged(self, caller: Entry) -> _Headers | None:
        """What is left of the caller's limits; None: nothing, which the framework says."""
        spend, now = caller.spend, self._backend.clock()
        assert spend is not None  # noqa: S101 - whoever calls has looked
        outcome = await self._verifier.limiter.charge_async(spend, 1, now)
        if outcome.refused is not None:
            return None
        return [(name.lower().encode(), value.encode()) for name, value in limit_headers(outcome, now).items()]

    async def _caller(self, scope: Scope, head: _Head) -> Entry | None:
        """Who asks, if it may."""
        key = head.credentials[0]
        caller = self._lookup.kept(key) or await self._lookup.entry_async(key)
        if caller is None:
            return None
        client = scope["client"]
        transport = self._transport(
            None if client is None else client[0],
            scope["scheme"],
            head.forwarded_for,
            head.forwarded_proto,
            head.forwarded,
        )
        if not (transport.secure or transport.local):
            return None
        denied = judge(caller, (_NEEDED, None, transport.address), self._backend.clock())
        return caller if denied is None else None


def _transport_by(proxies: Networks) -> Callable[..., Transport]:
    def transport(
        peer: str | None, scheme: str, forwarded_for: tuple[str, ...], proto: tuple[str, ...], forwarded: bool
    ) -> Transport:
        return transport_of(peer, scheme, forwarded_for, proto, proxies, forwarded=forwarded, from_browser=False)

    return transport


def _usual(body: bytes, caller: Entry) -> _Asked | None:
    """What is asked, where nothing is wrong with it."""
    if b"\\" in body:  # what may be escaped is looked at by the strict parser
        return None
    try:
        asked = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # the latter: bytes that are no text
        return None
    scopes = asked.scopes or ()
    given = (asked.scopes, asked.environment, asked.ip, asked.cost)
    texts = (asked.environment, asked.ip)
    names = 1 + sum(field is not UNSET for field in given)
    strings = 1 + len(scopes) + sum(isinstance(text, str) for text in texts)
    if body.count(b'"') != 2 * (names + strings):  # a name was given twice
        return None
    if not all(map(caller.policy.knows, scopes)):
        return None
    if len(scopes) > 1 and len(set(scopes)) != len(scopes):
        return None
    return asked if not isinstance(asked.ip, str) or _is_address(asked.ip) else None


def _given(text: str | UnsetType | None) -> str | None:
    return text if isinstance(text, str) else None


@lru_cache(maxsize=65_536)
def _is_address(text: str) -> bool:
    return parse_address(text) is not None


_VALID = b'{"valid":true,"code":"valid","reason":"The key is valid."'


@lru_cache(maxsize=1024)
def _refused(denied: Denied) -> bytes:
    return msgspec.json.encode({"valid": False, "code": denied.code.value, "reason": denied.reason})[:-1]


def _about(entry: Entry, left: bytes) -> bytes:
    user = b"null" if entry.user_id is None else b'"%b"' % entry.user_id.encode()
    about = b',"keyId":"%b","userId":%b,%b,"metadata":%b%b}'
    return about % (entry.key_id.encode(), user, entry.policy.shown, entry.metadata, left)


def _left(outcome: Outcome | None) -> bytes:
    return b"" if outcome is None else b',"rateLimit":%b' % msgspec.json.encode(rate_limit(outcome))


def _again(first: Message, receive: Receive) -> Receive:
    """Gives a message that was read already once more, then what follows it."""
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _request_ids() -> Iterator[bytes]:
    """Ids of this process's requests: its own beginning, and counted on."""
    begin = new_id("req")[:-8].encode()
    return (b"%b%08d" % (begin, number % 100_000_000) for number in itertools.count())
