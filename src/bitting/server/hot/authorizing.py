"""`GET /v1/authorize/{workspaceId}` out of memory: key, route table and limits that are kept, and true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

from bitting.backend import Backend
from bitting.core.decisions import Denied
from bitting.core.errors import Unavailable
from bitting.core.forwarded import key_in_target, original_in
from bitting.core.gateway import find_route
from bitting.core.ids import is_id
from bitting.gateway.deciding import charged, decide, refused, to_be_told, unknown
from bitting.server.hot.answers import ALLOWED, Answer, Maybe, gateway_refusal
from bitting.server.hot.head import Source, WayOf, credential_in, found_in
from bitting.verify.entries import Entry
from bitting.verify.limits import Outcome, Spend, lines
from bitting.verify.lines import Headers
from bitting.verify.verifier import Verdict

PREFIX = "/v1/authorize/"
_QUERIES = {b"": False, b"deny=403": True}


class Authorizing:
    """Answers gateways.

    backend: what to decide by; way_of: reads how requests come; ids: of requests.
    """

    def __init__(self, backend: Backend, way_of: WayOf, ids: Iterator[bytes]) -> None:
        self._verifier, self._lookup, self._routes = backend.verifier, backend.lookup, backend.routes
        self._limiter, self._clock = backend.limiter, backend.clock
        self._way_of, self._ids = way_of, ids

    def answer(self, workspace: str, query: bytes, headers: Headers, source: Source) -> Maybe:
        """The answer to a GET of PREFIX and a workspace; only limits that others count make it wait."""
        only_403 = _QUERIES.get(query)
        found = found_in(headers)
        if only_403 is None or found is None:
            return None
        way, original = self._way_of(source, found), original_in(found)
        if original is None or not (way.by_gateway and way.fit):
            return None
        method, target = original
        if key_in_target(target) is not None:
            return None
        secret = credential_in(found)
        if isinstance(secret, Denied):
            return self._refused(secret, only_403) if is_id("wsp", workspace) else None
        entry = self._lookup.kept(secret)
        if entry is None:
            return None
        if entry.workspace != workspace:
            return self._unknown(only_403) if is_id("wsp", workspace) else None
        return self._judged(secret, entry, method, target, way.address, only_403)

    def _judged(
        self, secret: str, entry: Entry, method: str, target: str, address: str | None, only_403: bool
    ) -> Maybe:
        table = self._routes.kept(entry.workspace)
        if table is None:
            return None
        route, now = find_route(table, method, target), self._clock()
        verdict = decide(self._verifier, entry, route, address, now)
        if verdict is None:
            return self._charged(secret, entry, (method, target, address), now, only_403)
        return self._decided(verdict, now, only_403)

    def _decided(self, verdict: Verdict, now: int, only_403: bool) -> Answer | Awaitable[Answer]:
        """The answer to a decision, with what is left of the key's limits."""
        spend = None if verdict.denied is None else to_be_told(verdict)
        if spend is None:
            return self._told(verdict, verdict.outcome, now, only_403)
        left = self._limiter.try_charge(spend, 0, now)
        return self._looked(verdict, spend, now, only_403) if left is None else self._told(verdict, left, now, only_403)

    async def _charged(
        self, secret: str, entry: Entry, asked: tuple[str, str, str | None], now: int, only_403: bool
    ) -> Answer | None:
        """The answer where others count what the key spends."""
        try:
            verdict = await asyncio.to_thread(charged, self._verifier, self._routes, secret, entry, asked, now)
        except Unavailable:
            return None  # the store is away: the framework says so
        answer = self._decided(verdict, now, only_403)
        return answer if isinstance(answer, tuple) else await answer

    async def _looked(self, verdict: Verdict, spend: Spend[Any], now: int, only_403: bool) -> Answer:
        """What is left of a refused key's limits, where others count them."""
        return self._told(verdict, await self._limiter.charge_async(spend, 0, now), now, only_403)

    def _refused(self, denied: Denied, only_403: bool) -> Answer:
        return self._told(refused(self._verifier, denied), None, 0, only_403)

    def _unknown(self, only_403: bool) -> Answer:
        return self._told(unknown(self._verifier), None, 0, only_403)

    def _told(self, verdict: Verdict, outcome: Outcome | None, now: int, only_403: bool) -> Answer:
        left = b"" if outcome is None else lines(outcome, now)
        request_id = next(self._ids)
        if verdict.denied is not None:
            return gateway_refusal(verdict.denied, request_id, left, only_403=only_403)
        entry = verdict.entry
        assert entry is not None  # noqa: S101 - what is allowed was proven
        return 200, (ALLOWED, entry.policy.told), b"%bx-request-id: %b\r\n%b" % (entry.told(), request_id, left), b""
