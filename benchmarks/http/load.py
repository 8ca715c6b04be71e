"""Load by wrk: whole requests out of a file, at random, on a core of their own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.http.cores import LOAD, pinned
from benchmarks.http.processes import Process

_SCRIPT = """
local requests = {}
function init(args)
  local file = io.open(args[1], "rb")
  for request in file:read("*a"):gmatch("([^%z]+)") do requests[#requests + 1] = request end
  file:close()
  math.randomseed(os.time())
end
function request() return requests[math.random(#requests)] end
function done(summary, latency)
  local failed = summary.errors
  io.stderr:write(string.format('{"requests":%d,"micros":%d,"bytes":%d,"broken":%d,"refused":%d,"p50":%d,"p99":%d}',
    summary.requests, summary.duration, summary.bytes, failed.connect + failed.read + failed.write + failed.timeout,
    failed.status, latency:percentile(50), latency:percentile(99)))
end
"""


class Load(msgspec.Struct, frozen=True):
    """What one run of wrk saw: micros it took; broken: connections; refused: answers of 400 and above."""

    requests: int
    micros: int
    bytes: int
    broken: int
    refused: int
    p50: int
    p99: int


@dataclass(frozen=True)
class Rate:
    """One measurement of one server: requests a second, and microseconds of CPU for each."""

    rate: float
    cpu: float
    load: Load


def request(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    given = {"Host": "localhost", **headers, **({"Content-Length": str(len(body))} if body else {})}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Loader:
    """Sends some requests to servers.

    Args:
        folder: for the script and the requests.
        requests: as they go over the wire; none holds a zero byte.
        connections: how many at once.
    """

    def __init__(self, folder: Path, requests: Iterable[bytes], connections: int = 32) -> None:
        self.requests = list(requests)
        self._script, self._file = folder / "load.lua", folder / f"requests-{id(self)}"
        self._script.write_text(_SCRIPT)
        self._file.write_bytes(b"\0".join(self.requests))
        self._connections = connections

    def run(self, port: int, seconds: int) -> Load:
        """Load for so long."""
        with pinned(LOAD):
            process = self.start(port, seconds)
        _, said = process.communicate(timeout=seconds + 30)
        return msgspec.json.decode(said[said.index(b"{") :], type=Load)

    def start(self, port: int, seconds: int) -> subprocess.Popen[bytes]:
        """Load that is not waited for."""
        wrk = shutil.which("wrk")
        if wrk is None:
            raise RuntimeError("wrk is not installed; `make bench` sees to that")
        count = ["-t1", f"-c{self._connections}", f"-d{seconds}s", "--timeout", "20s"]
        return subprocess.Popen(
            [wrk, *count, "-s", str(self._script), f"http://127.0.0.1:{port}/", "--", str(self._file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def rate(self, process: Process, seconds: int) -> Rate:
        """How many requests a server answers in a second, and what each costs it."""
        before = process.cpu()
        load = self.run(process.port, seconds)
        used = process.cpu() - before
        return Rate(load.requests * 1e6 / load.micros, used * 1e6 / load.requests, load)
