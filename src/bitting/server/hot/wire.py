"""The server's protocol: hot calls are answered where they are parsed.

A server makes a task, events and messages for each request, so that an application may take its time. A hot call that
is answered out of memory takes none: it is answered at once, on the connection. Whatever isn't usual about it, or takes
a wait, goes the way of all other requests.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bitting.server.hot.authorizing import PREFIX
from bitting.server.hot.path import HotPath
from bitting.server.hot.verifying import MAX_BODY_BYTES, PATH
from bitting.server.protocol import BoundedHttp

HELD_SECONDS = 1.0
"""How long the rest of a body is waited for before the application is told of the request."""
_VERIFY, _AUTHORIZE = PATH.encode(), PREFIX.encode()


class HotHttp(BoundedHttp):
    """BoundedHttp in front of an application, and of HotPath's calls without one."""

    _told_at = 0.0
    _closing: asyncio.TimerHandle | None = None
    _held: bytes | None = None  # the body so far of a request that the application doesn't know of

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usual = not self.root_path and self.limit_concurrency is None and not self.access_log
        self._hot = self.app if usual and isinstance(self.app, HotPath) else None

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
            super()._begin()

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
            path, _, query = self.url.partition(b"?")
            scope: Any = self.scope
            scope["path"], scope["query_string"] = path.decode("latin-1"), query
            answer = hot.answer(scope, body)
            if isinstance(answer, tuple):
                self._tell(*answer)
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
        method = parser.get_method()
        if method == b"POST":
            if url != _VERIFY:
                return False
        elif method != b"GET" or not url.startswith(_AUTHORIZE):
            return False
        self.scope["method"] = method.decode()
        usual = parser.get_http_version() == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
        return usual and self._idle and not (self._ending or self.expect_100_continue)

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
            super()._begin()
        finally:
            self.app = served
        if body:
            super()._take_body(body)

    def _tell(self, start: dict[str, Any], end: dict[str, Any]) -> None:
        """Sends an answer, and waits for the next request."""
        headers = [*self.server_state.default_headers, *start["headers"]]
        head = b"\r\n".join(map(b": ".join, headers))
        if not head.count(b"\r") == head.count(b"\n") == len(headers) - 1:
            raise ValueError("a header holds a line break")
        self.transport.write(b"%b%b\r\n\r\n%b" % (STATUS_LINE[start["status"]], head, end["body"]))
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
