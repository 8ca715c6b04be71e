"""`python -m benchmarks`: the parts in PARTS, each as a process, and all promises as one table. Apart: roles, peers,
http.servers.

Parts: --only NAME …; small ones for a look, which are not published: --quick; no measurement, only what was published
the last time: --table. A part that fails is named, and the exit code says so; a promise that is missed is a figure, not
a failure.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time

from benchmarks.report import promises, published

PARTS: dict[str, tuple[list[str], list[str]]] = {
    "verify": ([], ["--rounds", "5", "--keys", "50000"]),
    "http": ([], ["--rounds", "3", "--seconds", "1", "--keys", "500"]),
    "cold": ([], ["--keys", "100000", "--rounds", "3"]),
    "revoke": ([], ["--keys", "100"]),
    "limits": ([], ["--rounds", "2"]),
    "console": ([], ["--rounds", "3"]),
}
"""Part to its options, and to those of a quick run."""
LIMIT = 3600.0  # seconds that one part may take


def main() -> None:
    """Run what the options leave."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    failed = [] if options.table else [name for name in options.only if not _ran(name, quick=options.quick)]
    if not options.quick:
        print(f"\n## All promises\n\n{promises(published())}")
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


def _ran(name: str, *, quick: bool) -> bool:
    print(f"\n## {name}\n", flush=True)
    start = time.monotonic()
    part = subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", *PARTS[name][quick]])
    try:
        code = part.wait(LIMIT)
    except subprocess.TimeoutExpired:
        part.send_signal(signal.SIGINT)  # it stops what it has started
        code = part.wait() or 1
    print(f"({name}: {time.monotonic() - start:.0f} s)", file=sys.stderr, flush=True)
    return code == 0


if __name__ == "__main__":
    main()
