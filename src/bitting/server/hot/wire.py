"""The server's protocol: hot calls are answered where they are parsed.

A server makes a task, events and messages for each request, so that an application may take its time. A hot call that
is answered out of memory takes none: it is answered at once, on the connection. Whatever isn't usual about it, or takes
a wait, goes the way of all other requests.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic
from types import MappingProxyType
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from bitting.server.hot.answers import Answer, Maybe
from bitting.server.hot.authorizing import PREFIX
from bitting.server.hot.head import Source
from bitting.server.hot.path import HotPath
from bitting.server.hot.verifying import MAX_BODY_BYTES, PATH
from bitting.server.protocol import BoundedHttp
from bitting.verify.lines import Headers, lines_of

HELD_SECONDS = 1.0
"""How long the rest of a body is waited for before the application is told of the request."""
_VERIFY, _AUTHORIZE = PATH.encode(), PREFIX.encode()
_WORKSPACE = slice(len(PREFIX), None)
_UNTOLD: Any = MappingProxyType({})  # the scope of a request that no application knows of


class HotHttp(BoundedHttp):
    """BoundedHttp in front of an application, and of HotPath's calls without one."""

    _told_at = 0.0
    _closing: asyncio.TimerHandle | None = None
    _held: bytes | None = None  # the body so far of a request that the application doesn't know of
    _source: Source = (None, "")
    _defaults: Headers | None = None  # the server's own headers, which it makes anew each second
    _default_lines = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usual = not self.root_path and self.limit_concurrency is None and not self.access_log
        self._hot = self.app if usual and isinstance(self.app, HotPath) else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has come."""
        super().connection_made(transport)
        self._source = (None if self.client is None else self.client[0], self.scheme or "http")

    def on_message_begin(self) -> None:
        """A head is coming; a scope is made of it once it is known that an application is asked."""
        if self._hot is None:
            super().on_message_begin()
        else:
            self.url, self.headers, self.expect_100_continue = b"", [], False
            self.scope = _UNTOLD

    def shutdown(self) -> None:
        """The server ends; a request that is on its way here is answered, and told so."""
        if self._held is None:
            super().shutdown()
        else:
            self._ending = True

    @property
    def _idle(self) -> bool:
        return self._held is None and super()._idle

    def _begin(self) -> None:
        if self._hot is not None and self._may_be_hot():
            self._held = b""
        else:
            self._begin_usual()

    def _take_body(self, body: bytes) -> None:
        if self._held is None:
            super()._take_body(body)
            return
        self._held += body
        if len(self._held) > MAX_BODY_BYTES:
            self._let_go()

    def _complete(self) -> None:
        body, hot = self._held, self._hot
        if body is None or hot is None:
            super()._complete()
            return
        self._held = None
        app: Any = hot
        if not (self._ending or self.flow.write_paused):
            answer = self._asked(hot, body)
            if isinstance(answer, tuple):
                self._tell(answer)
                return
            app = partial(hot.give, answer)
        self._hand_over(body, app)
        super()._complete()

    def _await_body(self) -> None:
        if self._held is None:
            super()._await_body()
        else:
            self._body_timer = self.loop.call_later(HELD_SECONDS, self._let_go)

    def _may_be_hot(self) -> bool:
        """Whether a request is one that the hot path may answer, as far as its first line and the connection say."""
        url, parser = self.url, self.parser
        method = b"POST" if url == _VERIFY else b"GET" if url.startswith(_AUTHORIZE) else None
        cycle: RequestResponseCycle | None = self.cycle  # `_idle`, where nothing is held
        free = cycle is None or cycle.response_complete
        if parser.get_method() != method or not free or self._ending or self.expect_100_continue:
            return False
        return parser.get_http_version() == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()

    def _asked(self, hot: HotPath, body: bytes) -> Maybe:
        """What the hot path says to a request that it may answer."""
        if self.url == _VERIFY:
            return hot.verify(body, self.headers, self._source)
        workspace, _, query = self.url[_WORKSPACE].partition(b"?")
        return hot.authorize(workspace.decode("latin-1"), query, self.headers, self._source)

    def _begin_usual(self) -> None:
        """Asks the application, with a scope as it has one from the beginning where nothing is hot."""
        if self._hot is not None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.headers, self.expect_100_continue = url, headers, expects
            self.scope["headers"] = headers
        super()._begin()

    def _let_go(self) -> None:
        """Tells the application of a request whose body isn't whole."""
        body, self._held = self._held, None
        self._stop_waiting()
        self._hand_over(body or b"", self.app)
        self._await_body()

    def _hand_over(self, body: bytes, app: Any) -> None:
        """Has an application answer a request whose body has come as far as this."""
        served, self.app = self.app, app
        try:
            self._begin_usual()
        finally:
            self.app = served
        if body:
            super()._take_body(body)

    def _tell(self, answer: Answer) -> None:
        """Sends an answer, and waits for the next request."""
        defaults = self.server_state.default_headers
        if defaults is not self._defaults:
            self._defaults, self._default_lines = defaults, lines_of(defaults)
        status, shared, own, body = answer
        self.transport.write(b"".join((STATUS_LINE[status], self._default_lines, *shared, own, b"\r\n", body)))
        self.server_state.total_requests += 1
        self._told_at = monotonic()
        if self._closing is None:
            self._closing = self.loop.call_later(self.timeout_keep_alive, self._close_unused)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody will use it any more."""
        if self._closing is not None:
            self._closing.cancel()
        super().connection_lost(exc)

    def _close_unused(self) -> None:
        """Closes a connection that wasn't used for as long as one is kept; one timer looks after many answers."""
        self._closing = None
        if self.timeout_keep_alive_task is not None:  # the application has answered since: that one looks after it
            return
        left = self.timeout_keep_alive - (monotonic() - self._told_at)
        if left <= 0 and self._idle and self._counted == 0:
            self.timeout_keep_alive_handler()
        else:
            self._closing = self.loop.call_later(max(left, 1.0), self._close_unused)
