"""Which core does what: the server has one, the load another, and nobody moves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_CORES = sorted(os.sched_getaffinity(0))
SERVER, LOAD = _CORES[0], _CORES[-1]


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """This thread, and the processes that it starts meanwhile, on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
