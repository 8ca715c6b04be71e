"""`python -m benchmarks.peers`: the same question asked of Bitting and of its peers, in turns.

It downloads the peers' packages into a temporary folder, and removes them afterwards.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.http.asking import check
from benchmarks.http.calls import authorized, authorizing, verified, verifying
from benchmarks.http.cores import SERVER
from benchmarks.http.load import Loader, Rate, request
from benchmarks.http.processes import free_port, running
from benchmarks.http.turns import Contestant, in_turns
from benchmarks.http.workspace import served, workspace
from benchmarks.peers import installing
from benchmarks.report import line, options_of, publish
from benchmarks.roles.report import table

BAR = 10.0
VERIFY, AUTHORIZE = "Bitting, POST verify", "Bitting, GET authorize"
UNLIMITED = "better-auth, its limits switched off"
FLEETING = "keyshield without its sleeps, keys in memory"
LESS = (UNLIMITED, FLEETING)
"""Stand beside the comparison: what they leave out is what the others are asked for."""
# Each request writes to SQLite: with several connections at once some of them fail.
KEYSHIELD = (
    ("keyshield", "sqlite", "1", 1),
    ("keyshield without its sleeps", "sqlite", "0", 1),
    (FLEETING, "memory", "0", 32),
)
HEADS = ("", "requests/s", "CPU, µs", "p99 ms", "verify ÷ it", "authorize ÷ it")
WORDS = """\
Each is asked whether a key is valid and may read links, over HTTP, with 32 connections; one process on one core, wrk
on another. The work is not the same in all:

- Bitting is asked about {keys:,} keys at random, each with an allow-list, a scope and a limit; it counts every call,
  and knows of a revocation in another process. Two servers, one for each call.
- djangorestframework-api-key is asked about one key, which it reads from SQLite each time, over a connection that is
  kept; it has no scopes and limits. gunicorn's plain worker takes a new connection for each request.
- better-auth's plugin is asked about one key in memory, with its permissions and, as it is by itself, a limit. Without
  limits it counts nothing, and stands beside the comparison.
- keyshield is asked about one key in SQLite, out of its cache, with a scope, over one connection; it writes when the
  key was last used, and sleeps 0.1 to 0.3 s in each verification unless told not to.
- keyshield with its keys in the memory of one process stands beside the comparison as well: they are gone with it, and
  no other process can know them. better-auth's would be slower in a database, too."""


def main() -> None:
    """Measure and publish."""
    options = _options()
    with TemporaryDirectory(prefix="bitting-benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        contestants = [
            *_ours(stack, _made(folder, "bitting"), options.keys),
            *_drf(stack, _made(folder, "drf")),
            *_better_auth(stack, folder),
            *_keyshield(stack, folder),
        ]
        _say("measuring")
        rounds = list(in_turns(contestants, options.rounds, options.seconds))
    names = [each.name for each in contestants]
    text = f"{WORDS.format(keys=options.keys)}\n\nMedians of {options.rounds} rounds of {options.seconds} s.\n\n"
    text += table(HEADS, [_row(place, names, rounds) for place in range(len(names))])
    ours, less = names[:2], [names.index(name) for name in LESS]
    same = [place for place in range(2, len(names)) if place not in less]
    lines = [
        line(f"{name}: requests/s ÷ the best peer's that does as much", _over(place, same, rounds), BAR, least=True)
        for place, name in enumerate(ours)
    ]
    lines += [
        line(f"{name}: requests/s ÷ {names[other]}, which does less", _over(place, [other], rounds), BAR, least=True)
        for other in less
        for place, name in enumerate(ours)
    ]
    publish("peers", text, lines, whole=options.whole)


def _ours(stack: ExitStack, folder: Path, count: int) -> list[Contestant]:
    _say(f"making {count:,} keys")
    url = f"sqlite:///{folder / 'benchmark.db'}"
    with workspace(url) as made:
        keys = made.keys(count, limited=True)
    verify = Loader(folder, map(verifying(made.caller), keys))
    authorize = Loader(folder, map(authorizing(made.id), keys))
    one = stack.enter_context(served(url, folder, SERVER))
    other = stack.enter_context(served(url, folder, SERVER, BITTING_TRUSTED_PROXIES="127.0.0.1"))
    check(one.port, verify.requests, verified)
    check(other.port, authorize.requests, authorized)
    return [Contestant(VERIFY, one, verify), Contestant(AUTHORIZE, other, authorize)]


def _drf(stack: ExitStack, folder: Path) -> list[Contestant]:
    _say("installing djangorestframework-api-key")
    python = str(installing.python(folder, *installing.DRF))
    app = installing.app(folder, "drf_app.py")
    installing.run(folder, python, str(app))
    found = []
    for worker in (("sync",), ("gthread", "--threads", "4", "--keep-alive", "60")):
        port = free_port()
        # A worker that stands still for long isn't to be replaced.
        options = ["--timeout", "0", "--workers", "1", "--bind", f"127.0.0.1:{port}", "--worker-class", *worker]
        command = [python, "-m", "gunicorn", *options, "drf_app:application"]
        found.append(_peer(stack, f"djangorestframework-api-key, gunicorn {worker[0]}", command, port, folder))
    return found


def _better_auth(stack: ExitStack, folder: Path) -> list[Contestant]:
    _say("installing better-auth")
    shared = _made(folder, "better-auth")
    node = installing.node(shared, *installing.BETTER_AUTH)
    app = installing.app(shared, "better_auth_app.mjs")
    found = []
    for name, counting in (("better-auth", "limited"), (UNLIMITED, "unlimited")):
        port = free_port()
        own = _made(shared, counting)
        found.append(_peer(stack, name, [node, str(app), str(port), counting], port, own))
    return found


def _keyshield(stack: ExitStack, folder: Path) -> list[Contestant]:
    _say("installing keyshield")
    shared = _made(folder, "keyshield")
    python = str(installing.python(shared, *installing.KEYSHIELD))
    installing.app(shared, "keyshield_app.py")
    found = []
    for name, store, sleeps, connections in KEYSHIELD:
        port = free_port()
        place = ["--app-dir", str(shared), "--port", str(port), "--no-access-log", "--log-level", "warning"]
        command = [python, "-m", "uvicorn", *place, "keyshield_app:app"]
        own = _made(shared, f"{store}-{sleeps}")
        found.append(_peer(stack, name, command, port, own, connections, STORE=store, SLEEPS=sleeps))
    return found


def _peer(
    stack: ExitStack, name: str, command: list[str], port: int, folder: Path, connections: int = 32, **env: str
) -> Contestant:
    """A peer that runs, asked about the one key that it has; each reads it from the header that it knows."""
    process = stack.enter_context(running(command, port, folder, SERVER, **env))
    key = (folder / "key").read_text("utf-8")
    loader = Loader(folder, [request("GET", "/", {"X-Api-Key": key, "Authorization": f"Bearer {key}"})], connections)
    check(port, loader.requests, lambda told: told.status == 200)
    return Contestant(name, process, loader)


def _over(place: int, others: Sequence[int], rounds: Sequence[Sequence[Rate]]) -> list[float]:
    return [rates[place].rate / max(rates[other].rate for other in others) for rates in rounds]


def _row(place: int, names: Sequence[str], rounds: Sequence[Sequence[Rate]]) -> list[str]:
    own = [rates[place] for rates in rounds]
    ratios = [median(rates[ours].rate / rates[place].rate for rates in rounds) for ours in (0, 1)]
    return [
        names[place],
        f"{median(rate.rate for rate in own):,.0f}",
        f"{median(rate.cpu for rate in own):,.0f}",
        f"{median(rate.load.p99 for rate in own) / 1000:.1f}",
        *(["", ""] if place < 2 else [f"{ratio:.1f}" for ratio in ratios]),
    ]


def _made(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (7)")
    parser.add_argument("--seconds", type=int, default=3, help="how long each measurement takes (3)")
    parser.add_argument("--keys", type=int, default=10_000, help="how many keys Bitting is asked about (10000)")
    return options_of(parser)


if __name__ == "__main__":
    main()
