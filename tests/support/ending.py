"""A server in a thread that says when it begins to serve and to end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn import Config

from bitting.server.workers import DrainingServer

PATIENCE = 30.0  # seconds; only ever reached by a test that fails


class Ending(DrainingServer):
    """Says when it has begun to serve and to end; ends when told."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, self.began_to_serve)
        self.serving, self.told, self.beats = threading.Event(), threading.Event(), 0

    def began_to_serve(self) -> None:
        self.beats += 1
        self.serving.set()

    async def _wait_tasks_to_complete(self) -> None:
        self.told.set()  # every connection was told by now
        await super()._wait_tasks_to_complete()

    def end(self) -> None:
        """Have it end, and wait until all connections know."""
        self.should_exit = True
        assert self.told.wait(PATIENCE)


@contextmanager
def running(app: Any, **options: Any) -> Iterator[tuple[Ending, int]]:
    """A server on a free port."""
    listening = socket.create_server(("127.0.0.1", 0))
    given = Config(
        app,
        http="bitting.server.hot.wire:HotHttp",
        lifespan="off",
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(PATIENCE),
        **options,
    )
    server = Ending(given)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        assert server.serving.wait(PATIENCE)
        yield server, listening.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join(PATIENCE)
        listening.close()
        assert not thread.is_alive()
