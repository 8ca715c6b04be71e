"""A mail server on a free port of loopback, which keeps what it is sent (RFC 5321, as much of it as a client needs)."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from queue import Queue
from typing import Any

PATIENCE = 30.0  # seconds; only ever reached by a test that fails


@dataclass
class Sink:
    """What the server was sent."""

    port: int = 0
    mails: Queue[EmailMessage] = field(default_factory=Queue)
    commands: list[str] = field(default_factory=list)
    refusing: bool = False

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def next(self) -> EmailMessage:
        """The next mail; waits for it."""
        return self.mails.get(timeout=PATIENCE)


def text_of(mail: EmailMessage) -> str:
    """What a mail says."""
    text: str = mail.get_content()
    return text.replace("\r\n", "\n")


@contextmanager
def mail_server(context: ssl.SSLContext | None = None) -> Iterator[Sink]:
    """Takes every mail. context: offers STARTTLS with its certificate, and demands it."""
    sink = Sink()

    class Handler(socketserver.StreamRequestHandler):
        timeout = PATIENCE
        secure = False

        def handle(self) -> None:
            self._say("220 sink")
            while line := self.rfile.readline():
                command = line.decode().strip()
                sink.commands.append(command)
                verb = command.split(" ")[0].upper()
                if verb == "QUIT":
                    self._say("221 bye")
                    return
                self._answer(verb)

        def finish(self) -> None:
            super().finish()
            if self.secure:
                self.connection.close()  # the one that the server knows is empty since TLS began

        def _answer(self, verb: str) -> None:
            if verb == "EHLO":
                starttls = "250-STARTTLS\r\n" if context is not None and not self.secure else ""
                self._say(f"250-sink\r\n{starttls}250 AUTH PLAIN")
            elif verb == "STARTTLS" and context is not None:
                self._say("220 go on")
                self.connection: Any = context.wrap_socket(self.connection, server_side=True)
                self.rfile: Any = self.connection.makefile("rb")
                self.wfile: Any = self.connection.makefile("wb", buffering=0)
                self.secure = True
            elif context is not None and not self.secure:
                self._say("530 STARTTLS first")
            elif verb == "MAIL" and sink.refusing:
                self._say("451 not now")
            elif verb == "DATA":
                self._say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                mail = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                sink.mails.put(mail)
                self._say("250 taken")
            else:
                self._say("235 welcome" if verb == "AUTH" else "250 fine")

        def _say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that gave up, as some tests have it do."""

    with Server(("127.0.0.1", 0), Handler) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join(PATIENCE)
