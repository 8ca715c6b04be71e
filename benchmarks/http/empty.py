"""An endpoint that does nothing, served as `bitting serve` serves: `python -m benchmarks.http.empty PORT`.

It reads the request's body and answers what the file EMPTY_ANSWER says: the same status, headers and body each time.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.http.asking import Told
from benchmarks.http.processes import Process, free_port, running
from bitting.cli import serve


class Answer(msgspec.Struct, frozen=True):
    """What is answered."""

    status: int
    headers: list[tuple[str, str]]
    body: str


def empty(told: Told, folder: Path, *cores: int) -> AbstractContextManager[Process]:
    """An endpoint that answers just that, served as `bitting serve` serves."""
    headers = [(name, value) for name, value in told.headers if name != "date"]
    answer = folder / "answer.json"
    answer.write_bytes(msgspec.json.encode(Answer(told.status, headers, told.body.decode())))
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.http.empty", str(port)]
    return running(command, port, folder, *cores, EMPTY_ANSWER=str(answer), PYTHONPATH=os.pathsep.join(sys.path))


def create_app() -> ASGIApp:
    """The endpoint."""
    answer = msgspec.json.decode(Path(os.environ["EMPTY_ANSWER"]).read_bytes(), type=Answer)
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    body = answer.body.encode()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        while (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def _live(receive: Receive, send: Send) -> None:
    for said in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{said}.complete"})


def main() -> None:
    """Serve it with the settings of `bitting serve`: only the application is another."""
    serve._APP = "benchmarks.http.empty:create_app"
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", int(sys.argv[1])))
    serve._run(listening, 1)


if __name__ == "__main__":
    main()
