"""`python -m benchmarks.verify`: what a decision out of memory costs in a process, and what a kept key takes up."""

from __future__ import annotations

import argparse
import gc
import hashlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.report import Line, line, options_of, publish
from benchmarks.report import ratio as ratio_line
from benchmarks.roles.report import table
from benchmarks.roles.timing import Way, compare
from bitting.core.authority import Access, UserType
from bitting.core.ids import new_id
from bitting.core.lifecycle import Identity
from bitting.core.limits import LimitsOf, RateLimit
from bitting.core.network import parse_networks
from bitting.core.principal import KeyFacts, WorkspaceId
from bitting.core.tokens import mint
from bitting.store.clock import system_clock
from bitting.store.engine import Store
from bitting.verify.cache import KeyCache
from bitting.verify.counting import Came
from bitting.verify.limits import MemoryLimiter
from bitting.verify.lookup import Lookup
from bitting.verify.verifier import Verifier
from tests.support.sources import Identities

OURS = WorkspaceId("wsp_" + "b" * 22)
BAR, CALLS = 5.0, 2000
BAR_BYTES = 500
KEY = KeyFacts(
    id="key_" + "k" * 22, name="benchmark", user_type=UserType.USER, role=3, access=Access.LIMITED,
    scopes=("links:read", "records:read"), environment="test",
    allowed_ips=parse_networks(["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"]), owner=None, expires_at=None,
    rate_limits=(), quota=None, metadata={}, created_at=0,
)  # fmt: skip
BURST: LimitsOf = (KEY.id, (RateLimit("burst", 10**9, 60),), None)


class Fresh:
    """A feed that was read just now."""

    def __init__(self) -> None:
        self.good_until = math.inf


def verifier(*limits: LimitsOf) -> Verifier:
    """A verifier whose store has one key under any secret."""
    identity = Identity(OURS, KEY, None, None, None, None, True, {"links": {"read": True}}, limits)

    def find(_: bytes) -> Identity:
        return replace(identity, key=replace(KEY, id=new_id("key")))

    limiter = MemoryLimiter(Store("sqlite://"))
    lookup = Lookup(Identities(find, limiter, system_clock), KeyCache(10**7, 10**11))
    lookup.feed = Fresh()
    made = Verifier(lookup, system_clock, limiter)
    events: deque[Came] = deque(maxlen=100_000)
    made.count = events.append  # as usage counts: whoever folds the events together is another thread
    return made


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="how often each pair is timed (15)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="how many keys are kept at once (1000000)")
    options = options_of(parser)
    secret = mint("bit")
    encoded = secret.encode()
    rows, lines = [], []
    for name, limits in (("address and scope", ()), ("address, scope and one limit", (BURST,))):
        decide = partial(verifier(*limits).verify, OURS, secret, ("links:read",), None, "10.1.2.3")
        assert decide().valid
        asked = _repeated(decide)
        compared = compare(_repeated(lambda: hashlib.sha256(encoded).digest()), asked, options.rounds)
        hashed = compared.reference / CALLS * 1000
        ratio = f"{compared.ratio:.2f} ({compared.low:.2f}–{compared.high:.2f})"
        rows.append([name, f"{hashed:.2f}", f"{hashed * compared.ratio:.2f}", ratio])
        lines.append(ratio_line(f"a kept key, with {name}: decision ÷ SHA-256", compared, BAR))
    heads = ("a kept key, with", "SHA-256 of it, µs", "decision, µs", "decision ÷ SHA-256")
    text = f"Medians of {options.rounds} rounds, quartiles in brackets.\n\n{table(heads, rows)}"
    publish("verify", text, lines + _memory(options.keys), whole=options.whole)


def _repeated(way: Callable[[], object]) -> Way:
    def calls() -> None:
        for _ in range(CALLS):
            way()

    return calls


def _memory(keys: int) -> list[Line]:
    """What so many kept keys take up beside each other, and how long the collector takes over them."""
    kept = verifier()
    kept.verify(OURS, mint("bit"))
    gc.collect()
    before = _resident()
    for _ in range(keys):
        kept.verify(OURS, mint("bit"))
    gc.collect()
    each = (_resident() - before) / keys
    start = time.perf_counter()
    gc.collect()
    pause = (time.perf_counter() - start) * 1000
    return [
        line(f"{keys:,} kept keys: bytes for each, without metadata", [each], BAR_BYTES, unit="B"),
        line(f"{keys:,} kept keys: a whole garbage collection", [pause], None, unit="ms"),
    ]


def _resident() -> int:
    """The process's resident memory, in bytes."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()
