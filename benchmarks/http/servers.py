"""`python -m benchmarks.http.servers`: the empty endpoint and verify on uvicorn, and on Granian by its interfaces.

It downloads Granian into a temporary folder, and removes it afterwards.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.http.asking import check
from benchmarks.http.calls import verified, verifying
from benchmarks.http.cores import SERVER
from benchmarks.http.empty import empty
from benchmarks.http.load import Loader, Rate
from benchmarks.http.processes import Process, free_port, running
from benchmarks.http.turns import Contestant, in_turns
from benchmarks.http.workspace import SECRET, served, workspace
from benchmarks.peers import installing
from benchmarks.report import options_of, publish
from benchmarks.roles.report import table

GRANIAN = "granian==2.8.7"
APPS = {
    "asgi": ("benchmarks.http.empty:create_app", "benchmarks.http.adapters:asgi_bitting"),
    "rsgi": ("benchmarks.http.adapters:rsgi_empty", "benchmarks.http.adapters:rsgi_bitting"),
    "wsgi": ("benchmarks.http.adapters:wsgi_empty", "benchmarks.http.adapters:wsgi_bitting"),
}
HEADS = ("server", "endpoint", "requests/s", "CPU, µs", "p50 ms", "p99 ms", "requests/s ÷ uvicorn's")


def main() -> None:
    """Measure and publish."""
    options = _options()
    with TemporaryDirectory(prefix="bitting-benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        url = f"sqlite:///{folder / 'benchmark.db'}"
        with workspace(url) as made:
            keys = made.keys(options.keys)
        loader = Loader(folder, map(verifying(made.caller), keys))
        ours = stack.enter_context(served(url, folder, SERVER))
        told = check(ours.port, loader.requests, verified)
        nothing = stack.enter_context(empty(told, folder, SERVER))
        contestants = [Contestant("uvicorn empty", nothing, loader), Contestant("uvicorn verify", ours, loader)]
        print(f"installing {GRANIAN}", file=sys.stderr, flush=True)
        python = str(installing.python(folder, GRANIAN))
        for interface, apps in APPS.items():
            for words, app in zip(("empty", "verify"), apps, strict=True):
                process = stack.enter_context(_granian(python, interface, app, folder, url))
                check(process.port, loader.requests, verified)
                contestants.append(Contestant(f"granian-{interface} {words}", process, loader))
        rounds = list(in_turns(contestants, options.rounds, options.seconds))
    names = [each.name.split() for each in contestants]
    text = (
        f"{options.keys:,} keys at random, 32 connections, medians of {options.rounds} rounds of {options.seconds} s; "
        f"one worker on one core, wrk on another; uvicorn as `bitting serve` has it, {GRANIAN.replace('==', ' ')}."
    )
    text += f"\n\n{table(HEADS, [_row(place, names, rounds) for place in range(len(names))])}"
    publish("servers", text, [], whole=options.whole)


def _granian(python: str, interface: str, app: str, folder: Path, url: str) -> AbstractContextManager[Process]:
    port = free_port()
    place = ["--interface", interface, "--host", "127.0.0.1", "--port", str(port), "--http", "1"]
    width = ["--workers", "1", *(["--blocking-threads", "1"] if interface == "wsgi" else ["--loop", "uvloop"])]
    command = [python, "-m", "granian", *place, *width, "--log-level", "warning", "--factory", app]
    env = {"EMPTY_ANSWER": str(folder / "answer.json"), "PYTHONPATH": os.pathsep.join(sys.path)}
    return running(command, port, folder, SERVER, BITTING_DATABASE_URL=url, BITTING_SECRET=SECRET, **env)


def _row(place: int, names: Sequence[Sequence[str]], rounds: Sequence[Sequence[Rate]]) -> list[str]:
    own = [rates[place] for rates in rounds]
    server, endpoint = names[place]
    ratio = median(rates[place].rate / rates[place % 2].rate for rates in rounds)
    return [
        server,
        endpoint,
        f"{median(rate.rate for rate in own):,.0f}",
        f"{median(rate.cpu for rate in own):.1f}",
        f"{median(rate.load.p50 for rate in own) / 1000:.2f}",
        f"{median(rate.load.p99 for rate in own) / 1000:.2f}",
        f"{ratio:.2f}",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http.servers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (7)")
    parser.add_argument("--seconds", type=int, default=2, help="how long each measurement takes (2)")
    parser.add_argument("--keys", type=int, default=10_000, help="how many keys are asked about (10000)")
    return options_of(parser)


if __name__ == "__main__":
    main()
