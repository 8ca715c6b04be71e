"""`POST /v1/keys/verify`: out of memory, or with one read of the store for each key that isn't kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from time import monotonic
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bitting.backend import Backend
from bitting.core.authority import VERIFY
from bitting.core.decisions import Code, Denied
from bitting.core.errors import Unavailable
from bitting.core.network import parse_address
from bitting.server.errors import problem
from bitting.server.hot.answers import Answer, Maybe
from bitting.server.hot.head import Source, WayOf, credential_in, found_in
from bitting.verify.counting import VALID, Door
from bitting.verify.entries import Asked, Entry, ended, judge
from bitting.verify.limits import Outcome, left, lines
from bitting.verify.lines import Headers, lines_of
from bitting.verify.verifier import UNCOUNTED, Verdict

PATH = "/v1/keys/verify"
MAX_BODY_BYTES = 65_536
_NEEDED = (VERIFY,)
_BACKSLASH, _QUOTE = b'\\"'  # as numbers, which are quicker to look for
_API, _VERIFY = Door.API, Door.VERIFY  # an enumeration's member is dear to look up
_SHARED = (lines_of([(b"content-type", b"application/json"), (b"cache-control", b"no-store")]),)
_JSON = frozenset({b"application/json", b"application/json; charset=utf-8"})
_encode = msgspec.json.encode


_Scope = Annotated[str, Meta(max_length=127)]  # longer ones there are none


class _Question(Struct, forbid_unknown_fields=True, gc=False):
    """The body, as `keys.schemas.Verify` has it; what is stricter there is looked at by `_usual`."""

    key: Annotated[str, Meta(max_length=1_000)]
    scopes: Annotated[tuple[_Scope, ...], Meta(max_length=50)] | UnsetType = UNSET
    environment: Annotated[str, Meta(max_length=16)] | UnsetType | None = UNSET
    ip: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    cost: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET


_Asked = tuple[str, Asked, int]
"""What is asked: about which key, what of it, and what it costs."""


_Sent = tuple[str, str | None, bytes]
"""What came: the caller's secret and address, and the body."""

_decode = msgspec.json.Decoder(_Question).decode
_READINGS = (False, True)  # of caller and subject, to know of both at the same time


class Verifying:
    """Answers services that guard their own API.

    backend: what to decide by; way_of: reads how requests come; ids: of requests; max_body: bytes of a body.
    """

    def __init__(self, backend: Backend, way_of: WayOf, ids: Iterator[bytes], max_body: int) -> None:
        self._max_body = min(max_body, MAX_BODY_BYTES)
        self._verifier, self._lookup = backend.verifier, backend.lookup
        self._limiter, self._clock = backend.limiter, backend.clock
        self._way_of, self._ids = way_of, ids

    def answer(self, body: bytes, headers: Headers, source: Source) -> Maybe:
        """The answer to a body that came whole; it waits for keys that aren't kept, and limits that others count."""
        found = found_in(headers)
        if found is None or found.get(b"content-type") not in _JSON or len(body) > self._max_body:
            return None
        if b"idempotency-key" in found:  # means nothing here, and has to be a good one all the same
            return None
        secret, way = credential_in(found), self._way_of(source, found)
        if isinstance(secret, Denied) or not way.fit:
            return None
        sent = (secret, way.address, body)
        caller = self._lookup.kept(secret)
        if caller is None:
            return self._looked_up(sent)
        now = self._clock()
        asked = self._asked(caller, sent, now)
        if asked is None:
            return None
        entry = self._lookup.kept(asked[0])
        if entry is None:
            return self._looked_up(sent)
        return self._judged(sent, caller, entry, asked, now)

    async def _looked_up(self, sent: _Sent) -> Answer | None:
        """The same where the store may have to be read."""
        try:
            # Looked up before the caller is charged: what the store can't say, the framework is asked again.
            both = await self._both(sent)
        except Unavailable:
            return None
        if both is None:
            return None
        answer = self._judged(sent, *both, self._clock())
        return answer if answer is None or isinstance(answer, tuple) else await answer

    async def _both(self, sent: _Sent) -> tuple[Entry, Entry | None, _Asked] | None:
        """The caller, the subject and what is asked, if the caller may ask it once both are known.

        Raises Unavailable.
        """
        lookup = self._lookup
        for last in _READINGS:
            since = monotonic()
            caller = lookup.kept(sent[0]) or await lookup.entry_async(sent[0])
            asked = None if caller is None else self._asked(caller, sent, self._clock())
            if caller is None or asked is None:
                return None
            entry = lookup.kept(asked[0]) or await lookup.entry_async(asked[0])
            # To read one outdates the other, while the change feed is lost: then they stand, unless more is known.
            if last:
                since = monotonic()
            if self._still(caller, since) and self._verifier.holds(entry, since):
                return caller, entry, asked
        return None

    def _still(self, caller: Entry, since: float) -> bool:
        """Whether who might ask at `since` still may, after a wait."""
        return self._verifier.holds(caller, since) and ended(caller, self._clock()) is None

    def _asked(self, caller: Entry, sent: _Sent, now: int) -> _Asked | None:
        """What is asked, if the caller may ask and nothing is wrong with it."""
        _, address, body = sent
        return None if judge(caller, (_NEEDED, None, address), now) is not None else _usual(body, caller)

    def _judged(self, sent: _Sent, caller: Entry, entry: Entry | None, asked: _Asked, now: int) -> Maybe:
        if caller.spend is None:
            return self._decided(sent, caller, entry, asked, b"", now)
        outcome = self._limiter.try_charge(caller.spend, 1, now)
        if outcome is None:
            return self._charged(sent, caller, entry, asked, now)
        if outcome.refused is not None:
            return self._turned_away(caller, outcome, now)
        return self._decided(sent, caller, entry, asked, lines(outcome, now), now)

    async def _charged(self, sent: _Sent, caller: Entry, entry: Entry | None, asked: _Asked, now: int) -> Answer | None:
        """The same where others count what the caller spends."""
        assert caller.spend is not None  # noqa: S101 - whoever calls has looked
        since = monotonic()
        try:
            outcome = await self._limiter.charge_async(caller.spend, 1, now)
        except Unavailable:
            return None  # the framework says so, and nothing was charged
        if outcome.refused is not None:
            return self._turned_away(caller, outcome, now)
        try:
            if not (self._still(caller, since) and self._verifier.holds(entry, since)):
                both = await self._both(sent)
                if both is None:
                    return None  # the framework says why
                caller, entry, asked = both
        except Unavailable as error:
            return self._unavailable(caller, error.detail, lines(outcome, now))
        now = self._clock()
        answer = self._decided(sent, caller, entry, asked, lines(outcome, now), now)
        return answer if answer is None or isinstance(answer, tuple) else await answer

    def _decided(self, sent: _Sent, caller: Entry, entry: Entry | None, asked: _Asked, told: bytes, now: int) -> Maybe:
        verdict = self._verifier.decide(entry, caller.workspace, asked[1], asked[2], now, _VERIFY)
        if verdict is None:
            return self._decided_later(sent, caller, entry, asked, told, now)
        return self._told(caller, verdict, told)

    async def _decided_later(
        self, sent: _Sent, caller: Entry, entry: Entry | None, asked: _Asked, told: bytes, now: int
    ) -> Answer | None:
        """The same where others count what the subject spends; the caller is charged already, so it ends here, unless
        the caller may not ask any more: the framework says why.
        """
        since = monotonic()
        try:
            verdict = await self._verifier.charged_async(asked[0], entry, asked[1], asked[2], now, _VERIFY)
            if not self._still(caller, since):
                both = await self._both(sent)
                if both is None:
                    return None
                if verdict.valid:
                    verdict = self._verifier.settled(both[1], caller.workspace, asked[1], verdict.outcome)
        except Unavailable as error:
            return self._unavailable(caller, error.detail, told)
        return self._told(caller, verdict, told)

    def _told(self, caller: Entry, verdict: Verdict, told: bytes) -> Answer:
        self._verifier.count((_API, caller.workspace, caller.key_id, VALID, _NEEDED, None, None))
        body = _verdict(verdict)
        own = b"content-length: %d\r\nx-request-id: %b\r\n%b" % (len(body), next(self._ids), told)
        return 200, _SHARED, own, body

    def _turned_away(self, caller: Entry, outcome: Outcome, now: int) -> Answer | None:
        """To a caller whose limits let nothing pass. What is used up the framework says, which finds it so again."""
        if outcome.refused != "unavailable":
            return None
        return self._unavailable(caller, UNCOUNTED.reason, lines(outcome, now))

    def _unavailable(self, caller: Entry, detail: str, told: bytes) -> Answer:
        """As the framework would say it."""
        self._verifier.count((_API, caller.workspace, caller.key_id, Code.UNAVAILABLE.value, _NEEDED, None, None))
        request_id = next(self._ids)
        response = problem(Code.UNAVAILABLE, detail, request_id.decode())
        own = lines_of([*response.raw_headers, (b"x-request-id", request_id)]) + told
        return response.status_code, (), own, bytes(response.body)


def _usual(body: bytes, caller: Entry) -> _Asked | None:
    """What is asked, where nothing is wrong with it."""
    if _BACKSLASH in body:  # what may be escaped is looked at by the strict parser
        return None
    try:
        asked = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # the latter: bytes that are no text
        return None
    quotes = 4  # of the key's name and text; a name that was given twice makes more than are counted here
    scopes, environment, ip, cost = asked.scopes, asked.environment, asked.ip, asked.cost
    if scopes is UNSET:
        scopes = ()
    else:
        quotes += 2 + 2 * len(scopes)
        if not caller.policy.knows(scopes):
            return None
    if environment is UNSET:
        environment = None
    else:
        quotes += 2 if environment is None else 4
    if ip is UNSET:
        ip = None
    else:
        quotes += 2 if ip is None else 4
        if ip is not None and not _is_address(ip):
            return None
    if cost is UNSET:
        cost = 1
    else:
        quotes += 2
    return (asked.key, (scopes, environment, ip), cost) if body.count(_QUOTE) == quotes else None


@lru_cache(maxsize=65_536)
def _is_address(text: str) -> bool:
    return parse_address(text) is not None


_VALID = b'{"valid":true,"code":"valid","reason":"The key is valid."'


@lru_cache(maxsize=1024)
def _refused(denied: Denied) -> bytes:
    return _encode({"valid": False, "code": denied.code.value, "reason": denied.reason})[:-1]


def _verdict(verdict: Verdict) -> bytes:
    """A verdict as JSON."""
    denied, entry, outcome = verdict.denied, verdict.entry, verdict.outcome
    start = _VALID if denied is None else _refused(denied)
    if entry is None:
        return start + b"}"
    end = b"}" if outcome is None else b',"rateLimit":%b}' % _encode(left(outcome))
    user = b"null" if entry.user_id is None else b'"%b"' % entry.user_id.encode()
    key, shown, metadata = entry.key_id.encode(), entry.policy.shown, entry.metadata
    return b"".join((start, b',"keyId":"', key, b'","userId":', user, b",", shown, b',"metadata":', metadata, end))
