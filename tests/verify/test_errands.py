"""What is done after the answer."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from structlog.testing import CapturingLogger

from bitting.verify import errands
from bitting.verify.errands import Errands
from tests.support.races import PATIENCE


def test_errands_are_done_in_order_and_nobody_waits() -> None:
    """Whoever asks goes on while the first one is under way."""
    running, go = Errands(), threading.Event()
    done: list[object] = []
    running.ask(lambda: done.append(go.wait(PATIENCE)))
    running.ask(lambda: done.append("second"))
    assert done == []
    go.set()
    running.settle()
    assert done == [True, "second"]
    running.close()


def test_one_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted, and logged without its words, which may be somebody's."""
    running = Errands()
    done: list[object] = []

    def fail() -> None:
        raise ValueError("a secret")

    log = CapturingLogger()
    monkeypatch.setattr(errands, "_log", log)
    running.ask(fail)
    running.ask(partial(done.append, "second"))
    running.settle()
    assert [(*call.args, call.kwargs["error"]) for call in log.calls] == [("errand_failed", "ValueError")]
    assert "a secret" not in str(log.calls)
    assert (done, running.failures) == (["second"], 1)
    running.close()


def test_closing_does_what_was_asked_for() -> None:
    """And where nothing was, there is nothing to wait for."""
    running = Errands()
    done: list[object] = []
    for place in range(10):
        running.ask(partial(done.append, place))
    running.close()
    assert done == list(range(10))
    Errands().close()


def test_closing_does_not_wait_for_one_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the line behind it is full: what isn't done then is dropped, counted, and logged by number alone."""
    running, begun, go = Errands("mails", most=2, closing=0.05), threading.Event(), threading.Event()
    log = CapturingLogger()
    monkeypatch.setattr(errands, "_log", log)
    done: list[object] = []

    def stuck() -> None:
        begun.set()
        go.wait(PATIENCE)

    assert running.ask(stuck)
    assert begun.wait(PATIENCE)
    assert [running.ask(partial(done.append, "a secret")) for _ in range(3)] == [True, True, False]
    running.close()
    assert not go.is_set()
    assert running.ask(partial(done.append, "late")) is False
    go.set()
    running.settle()
    assert done == []
    assert running.failures == 4
    assert [(*call.args, call.kwargs) for call in log.calls] == [
        ("errands_dropped", {"line": "mails", "number": number}) for number in (1, 2, 1)
    ]


def test_not_more_wait_than_fit() -> None:
    """A flood is dropped and counted: the rest of the process goes on."""
    running, go = Errands(), threading.Event()
    begun = threading.Event()

    def first() -> None:
        begun.set()
        go.wait(PATIENCE)

    running.ask(first)
    assert begun.wait(PATIENCE)
    done: list[object] = []
    for place in range(errands.MAX_WAITING + 5):
        running.ask(partial(done.append, place))
    assert running.failures == 5
    go.set()
    running.settle()
    assert done == list(range(errands.MAX_WAITING))
    running.close()
