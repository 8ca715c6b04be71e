"""Asks a server each of some requests once, and looks at every answer."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """An answer; the names of its headers as they came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Asker:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> Told:
        """One request as it goes over the wire, and its answer."""
        self._socket.sendall(request)
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        return Told(answer.status, answer.getheaders(), answer.read())


def check(port: int, requests: Iterable[bytes], right: Callable[[Told], bool]) -> Told:
    """Has each request answered, all of them right; one of the answers.

    Raises RuntimeError: one was not.
    """
    told = None
    with Asker(port) as asker:
        for request in requests:
            told = asker.ask(request)
            if not right(told):
                raise RuntimeError(f"answered {told.status}: {told.body[:300]!r}")
    if told is None:
        raise RuntimeError("nothing was asked")
    return told
