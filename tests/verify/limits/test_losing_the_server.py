"""What happens when a real server of shared limits is killed and started again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bitting.core.errors import Unavailable
from bitting.core.principal import WorkspaceId
from bitting.store.engine import Store
from bitting.verify.limits import ExactLimiter, LeasedLimiter, Limiter, Mode, Outcome, Part, headers
from bitting.verify.limits.shared import Lifeline, Lost
from tests.support.limits import add, never, rule
from tests.support.redis import PATIENCE, RedisServer

OURS = WorkspaceId("wsp_ours")
Make = Callable[[Mode], Limiter[Any]]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that may be killed."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture(params=[ExactLimiter, LeasedLimiter])
def make(request: pytest.FixtureRequest, store: Store, server: RedisServer) -> Iterator[Make]:
    """`make(mode)`: a limiter that uses it."""
    add(store, OURS)
    made: list[Limiter[Any]] = []

    def one(mode: Mode) -> Limiter[Any]:
        made.append(request.param(store, server.url, mode, pause=0.05))
        return made[-1]

    yield one
    for limiter in made:
        limiter.close()


def now() -> int:
    return time.time_ns() // 1000


def charge(limiter: Limiter[Any], *rest: Part, limit: int = 5) -> Outcome:
    """One call with a key; leases of its limit are single calls, unless it is a high one."""
    spend = limiter.prepare(OURS, [("key_1", [rule(limit)], None), *rest], now())
    return limiter.charge(spend, 1, now())


def counted_again(limiter: Limiter[Any]) -> Outcome:
    """The first outcome that the server had a part in."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        outcome = charge(limiter)
        if outcome.windows:
            return outcome
        time.sleep(0.01)
    raise AssertionError("the limiter never came back")


def test_closed_refuses_meanwhile(make: Make, server: RedisServer) -> None:
    """Every call, counted, with a wait, and not as one who was too quick; and it is back by itself."""
    limiter = make("closed")
    assert charge(limiter).refused is None
    server.kill()
    lost = [charge(limiter) for _ in range(20)]
    assert [outcome.refused for outcome in lost] == ["unavailable"] * 20
    assert headers(lost[0], now()) == {"Retry-After": "1"}
    assert (limiter.failures, limiter.mode) == (20, "closed")
    server.start()
    assert counted_again(limiter).refused is None


def test_open_passes_meanwhile(make: Make, server: RedisServer) -> None:
    """Every call, counted, beyond the limit; and it is back by itself, with what the server still knows: nothing."""
    limiter = make("open")
    assert [charge(limiter).refused for _ in range(6)] == [None] * 5 + ["rate_limited"]
    server.kill()
    lost = [charge(limiter, ("key_fresh", [rule(5)], None)) for _ in range(20)]
    known_empty = isinstance(limiter, LeasedLimiter)  # and it knows that until it is told otherwise
    assert {outcome.refused for outcome in lost} == {"rate_limited" if known_empty else None}
    lost = [charge(limiter, limit=6) for _ in range(20)]
    assert [outcome.refused for outcome in lost] == [None] * 20
    assert limiter.failures == (20 if known_empty else 40)
    server.start()
    assert counted_again(limiter).refused is None


def test_quotas_count_on(make: Make, server: RedisServer) -> None:
    """They are the store's; whoever is refused by them is refused in open mode, too."""
    limiter = make("open")
    server.kill()
    quota: Part = ("key_q", [], never(3))
    assert [charge(limiter, quota).refused for _ in range(5)] == [None] * 3 + ["quota_exceeded"] * 2


def test_a_refusal_by_a_lost_server_gives_the_quota_back(make: Make, server: RedisServer, store: Store) -> None:
    """A call that didn't pass has spent nothing."""
    limiter = make("closed")
    quota: Part = ("key_q", [], never(3))
    assert charge(limiter, quota).refused is None
    server.kill()
    assert {charge(limiter, quota).refused for _ in range(5)} == {"unavailable"}
    server.start()
    counted_again(limiter)
    alone = limiter.prepare(OURS, [quota], now())
    assert [limiter.charge(alone, 1, now()).refused for _ in range(3)] == [None] * 2 + ["quota_exceeded"]


def test_a_lease_is_spent_without_the_server(server: RedisServer, store: Store) -> None:
    """What was leased before the loss passes, whatever the mode."""
    add(store, OURS)
    limiter = LeasedLimiter(store, server.url, pause=0.05)
    assert charge(limiter, limit=400).refused is None  # a lease of 20
    server.kill()
    outcomes = [charge(limiter, limit=400).refused for _ in range(25)]
    assert outcomes[:9] == [None] * 9
    assert outcomes[-6:] == ["unavailable"] * 6
    limiter.close()


def test_a_script_that_the_server_forgot_is_sent_again(make: Make, server: RedisServer) -> None:
    """After a restart or SCRIPT FLUSH; no call fails of it."""
    limiter = make("closed")
    assert charge(limiter).refused is None
    client = server.client()
    client.script_flush()
    client.close()
    assert charge(limiter).refused is None
    assert limiter.failures == 0


def test_a_connection_that_the_server_closed_is_made_anew(make: Make, server: RedisServer) -> None:
    """As one that was idle for long: no call fails of it."""
    limiter = make("closed")
    assert charge(limiter).refused is None
    client = server.client()
    client.client_kill_filter(_type="normal", skipme=True)
    client.close()
    assert charge(limiter).refused is None
    assert limiter.failures == 0


def counting_and_hanging_up(listening: socket.socket, counted: list[bytes]) -> None:
    """A server that counts a call, and is gone before it says so."""
    while True:
        try:
            taken, _ = listening.accept()
        except OSError:
            return
        with taken, taken.makefile("rb") as lines:
            while head := lines.readline():
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
                if words[0].upper().startswith(b"EVAL"):
                    counted.append(words[0])
                    break
                taken.sendall(b"-ERR unknown\r\n" if words[0].upper() == b"HELLO" else b"+OK\r\n")


def test_a_call_whose_answer_was_lost_is_not_counted_twice(store: Store) -> None:
    """The server may have counted it: the mode decides, and nothing is sent again."""
    add(store, OURS)
    counted: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=counting_and_hanging_up, args=(listening, counted), daemon=True)
        serving.start()
        limiter = ExactLimiter(store, f"redis://127.0.0.1:{listening.getsockname()[1]}/0?protocol=2")
        assert charge(limiter).refused == "unavailable"
        assert (len(counted), limiter.failures) == (1, 1)
        limiter.close()


def test_a_lost_server_is_not_asked_by_everybody() -> None:
    """After a failure nobody asks for a while, then one does, and the others don't wait for it."""
    asked = 0

    def fail() -> None:
        nonlocal asked
        asked += 1
        raise Unavailable("it is gone")

    lifeline = Lifeline(pause=3600)
    for _ in range(3):
        with pytest.raises(Lost):
            lifeline.ask(fail)
    assert (asked, lifeline.resting) == (1, True)
    lifeline = Lifeline(pause=0)
    with pytest.raises(Lost):
        lifeline.ask(fail)
    assert (lifeline.ask(lambda: "back"), lifeline.resting) == ("back", False)


def test_while_one_tries_a_lost_server_the_others_do_not_wait_for_it() -> None:
    """However long the trial takes: a server that hangs is no reason to hang."""
    lifeline, trying, go = Lifeline(pause=0), threading.Event(), threading.Event()

    def fail() -> None:
        raise Unavailable("it is gone")

    def hang() -> str:
        trying.set()
        assert go.wait(PATIENCE)
        return "back"

    with pytest.raises(Lost):
        lifeline.ask(fail)
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(lifeline.ask, hang)
        assert trying.wait(PATIENCE)
        assert lifeline.resting
        with pytest.raises(Lost):
            lifeline.ask(fail)
        go.set()
        assert one.result(PATIENCE) == "back"
    assert not lifeline.resting


def test_a_quota_is_never_spent_on_trust(store: Store) -> None:
    """When the store is lost, whoever needs a lease of a quota gets no answer but that."""
    add(store, OURS)
    gone = Store("sqlite:////nowhere/bitting.db")
    limiter = LeasedLimiter(gone, mode="open")
    spend = limiter.prepare(OURS, [("key_q", [], never(3))], now())
    with pytest.raises(Unavailable):
        limiter.charge(spend, 1, now())
    windows = limiter.prepare(OURS, [("key_w", [rule(3)], None)], now())
    assert limiter.charge(windows, 1, now()).refused is None
    assert limiter.failures == 1
    limiter.close()
    gone.close()
