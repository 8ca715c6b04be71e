"""A client with a bare connection: it knows whether a request got its whole answer, none of it, or a part."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

PATIENCE = 150.0  # seconds; only ever reached by a test that fails


class Closed(Exception):
    """The connection ended before any byte of the answer."""


class Refused(Closed):
    """Nobody listens."""


class CutOff(Exception):
    """The connection ended within the answer."""


class Client:
    """One client, on one connection for as long as it lasts, or on a new one for each request.

    port: on loopback; caller: the key that it sends; keep: whether it keeps its connection.
    """

    def __init__(self, port: int, caller: str, *, keep: bool = True, patience: float = PATIENCE) -> None:
        self._port, self._caller, self.keeps, self._patience = port, caller, keep, patience
        self._socket: socket.socket | None = None
        self._read = b""
        self.closes = 0  # answers that said that the connection ends
        self.surprises = 0  # kept connections that ended under a request

    @property
    def port(self) -> int:
        """Its own end of the connection that it keeps."""
        assert self._socket is not None
        port: int = self._socket.getsockname()[1]
        return port

    def ask(self, method: str, path: str, body: Any = None, *, again: bool = False) -> tuple[int, Any]:
        """One request; its status and its body as JSON.

        again: sends it once more when a kept connection ended before any byte of an answer.
        Raises Closed or CutOff when there is no whole answer.
        """
        kept = self._socket is not None
        try:
            self.send(method, path, body)
            return self.receive()
        except Closed:
            self.surprises += kept
            if not (again and kept):
                raise
            self.send(method, path, body)
            return self.receive()

    def verify(self, secret: str, *, again: bool = False) -> str:
        """The code of the verdict on a key, or of the refusal."""
        _, said = self.ask("POST", "/v1/keys/verify", {"key": secret}, again=again)
        code: str = said["code"]
        return code

    def send(self, method: str, path: str, body: Any = None) -> None:
        """The request alone."""
        text = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {self._caller}\r\nContent-Length: {len(text)}\r\n"
        head += "Content-Type: application/json\r\n" if body is not None else ""
        head += "" if self.keeps else "Connection: close\r\n"
        self.send_raw(head.encode() + b"\r\n" + text)

    def send_raw(self, data: bytes) -> None:
        """Bytes, as they are."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), self._patience)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(data)
        except ConnectionRefusedError:
            raise Refused from None
        except OSError as error:
            self.close()
            raise Closed(type(error).__name__) from None

    def receive(self) -> tuple[int, Any]:
        """The answer to what was sent."""
        head = self._until(b"\r\n\r\n").decode("latin-1").lower()
        lines = head.split("\r\n")
        fields = dict(line.partition(": ")[::2] for line in lines[1:])
        body = self._exactly(int(fields["content-length"])) if "content-length" in fields else b""
        if fields.get("connection") == "close":
            self.closes += 1
            self.close()
        return int(lines[0].split()[1]), json.loads(body) if body else None

    def close(self) -> None:
        """Ends the connection; the next request makes another."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
        self._socket, self._read = None, b""

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        head, _, self._read = self._read.partition(mark)
        return head

    def _exactly(self, length: int) -> bytes:
        while len(self._read) < length:
            self._more(begun=True)
        body, self._read = self._read[:length], self._read[length:]
        return body

    def _more(self, *, begun: bool = False) -> None:
        assert self._socket is not None
        begun = begun or bool(self._read)
        try:
            piece = self._socket.recv(65_536)
        except TimeoutError:
            self.close()
            raise AssertionError("a request was never answered, and its connection never closed") from None
        except OSError:
            piece = b""
        if not piece:
            self.close()
            raise CutOff if begun else Closed
        self._read += piece
