"""A Redis server of our own, on a Unix socket in a temporary folder; it keeps nothing on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis

PATIENCE = 30.0  # seconds; only ever reached by a server that doesn't start


class RedisServer:
    """Started when it is made; may be killed and started again at the same place."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="btr", dir="/tmp"))  # a socket's path may have 107 bytes
        self.url = f"unix://{self.folder}/socket"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server", path=f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/usr/sbin")
        if not program:
            raise RuntimeError("redis-server is not installed; `make test` sees to that")
        places = ["--port", "0", "--unixsocket", str(self.folder / "socket"), "--dir", str(self.folder)]
        settings = ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *places, *settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a crash would: what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def client(self) -> redis.Redis:
        """A connection of the test's own; to be closed by it."""
        return redis.Redis.from_url(self.url)

    def _answers(self) -> bool:
        client = self.client()
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
