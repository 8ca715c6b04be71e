"""HTTP/1.1 with a bound on the head of a request: what comes before authentication must not fill the memory.

The parser below keeps a header until it is complete, however long it is; so the bytes of a head are
counted as they come, and the connection ends where they are too many (RFC 6585 §5).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bitting.api.bodies import BODY_SECONDS
from bitting.core.decisions import Code
from bitting.core.ids import new_id
from bitting.server.errors import problem

MAX_HEAD_BYTES = 65_536
LINGER_SECONDS = 2.0
LINGER_BYTES = 8 * 1_048_576
BODY_ENDS = BODY_SECONDS + 5.0
"""Seconds after which a connection ends whose body is not complete: whoever waits for it had time to say so."""
HEAD_ENDS = 60.0
"""Seconds after which a connection ends whose first byte, or whose head's rest, doesn't come."""
MAX_WAITING = 100
"""Requests that may wait on one connection for the answer before theirs; past it the connection ends."""
IDLE_SECONDS = 1.0
"""While the server ends: how long a connection without a request is kept, since one may be on its way."""


class BoundedHttp(HttpToolsProtocol):
    """The server's protocol: MAX_HEAD_BYTES of a head at most, and no more than a read of the socket beyond is kept."""

    _counted = 0
    _read = 0  # at once, the last time
    _head_at_most = 0  # bytes: only heads that may be too long are measured
    _in_head = True
    _refused = False
    _ending = False
    _body_timer: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has come, and is to say something soon."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_ENDS, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to no body, before it and after it, and hands everything on."""
        self._read = len(data)
        self._counted += self._read
        self._head_at_most += self._read
        if self._refused:
            if self._counted > LINGER_BYTES:
                self.transport.abort()
            return
        super().data_received(data)  # where a head or a part of a body is complete, counting begins anew
        if self._counted > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()
        if not self._in_head:
            if self._body_timer is None:
                self._await_body()
        elif self._counted and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_ENDS, self.transport.abort)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a field of the head; one that comes after the body (a trailer, RFC 9110 §6.5) is no header of ours."""
        if self._in_head:
            name = name.lower()  # what uvicorn's own does: a call less for each field of each request
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """A part of the body, which the application bounds: what is counted begins anew."""
        self._counted = 0
        if not self._refused:
            self._take_body(body)

    def on_headers_complete(self) -> None:
        """The head is whole; a body may follow."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        too_large = self._head_at_most > MAX_HEAD_BYTES and _size(self.headers) > MAX_HEAD_BYTES
        self._head_at_most = self._read  # the next head may have begun in what was read just now
        self._in_head, self._counted = False, 0
        if too_large:  # it came whole in a few large reads
            self._refuse()
            return
        if self._refused:
            return
        self._begin()
        # Reading pauses while one waits, but what was read already goes on, and each answer lets more be read.
        if len(self.pipeline) > MAX_WAITING:
            self._refused = True
            self.transport.abort()

    def on_message_complete(self) -> None:
        """What comes now is the next request's head."""
        self._in_head, self._counted = True, 0
        self._stop_waiting()
        if not self._refused:
            self._complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the head or the body any more."""
        self._stop_waiting()
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends: the answer under way, or else the next one, says that it is the connection's last.

        To close what is idle at once would lose the requests that are on their way just now.
        """
        self._ending = True
        if self._idle:
            self.loop.call_later(IDLE_SECONDS, self._close_idle)
        else:
            self.cycle.keep_alive = False

    def _begin(self) -> None:
        """A request whose head is within bounds begins."""
        super().on_headers_complete()
        if self._ending:
            self.cycle.keep_alive = False

    def _take_body(self, body: bytes) -> None:
        """A part of its body."""
        super().on_body(body)

    def _complete(self) -> None:
        """It is whole."""
        super().on_message_complete()

    def _await_body(self) -> None:
        self._body_timer = self.loop.call_later(BODY_ENDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    @property
    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is None or cycle.response_complete

    def _close_idle(self) -> None:
        if self._idle and self._counted == 0:  # a head that has come in part is waited for, see HEAD_ENDS
            self.transport.close()

    def _refuse(self) -> None:
        if self._refused:
            return
        request_id = new_id("req")
        answer = problem(Code.HEADERS_TOO_LARGE, f"A request's head has at most {MAX_HEAD_BYTES} bytes.", request_id)
        status = HTTPStatus(answer.status_code)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        lines += [b"x-request-id: " + request_id.encode(), b"connection: close", b"", bytes(answer.body)]
        self.transport.write(b"\r\n".join(lines))
        # What is still on its way is read and thrown away for a while: a reset would take the answer with it.
        self._refused = True
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)
