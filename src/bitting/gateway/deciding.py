"""May a request behind a gateway pass: the one decision, for the call in front of the framework and the one in it.

Its order is that of every call (DESIGN §5): the route comes at step 6, so that nobody without a good key learns which
paths there are.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from bitting.core.decisions import Code, Denied
from bitting.core.errors import Unavailable
from bitting.core.gateway import Route, RouteTable, find_route
from bitting.core.principal import WorkspaceId
from bitting.verify.counting import Door
from bitting.verify.entries import Entry, judge
from bitting.verify.limits import Outcome, Spend
from bitting.verify.routes import RouteTables
from bitting.verify.verifier import UNKNOWN, Verdict, Verifier

_READINGS = 2
"""How often key and routes are read after a wait: to read one may outdate the other, and while the change feed is lost
each reading that takes its time does. Then what was read last stands: all of it was read after the wait."""
_DOOR = Door.AUTHORIZE  # an enumeration's member is dear to look up


def decide(verifier: Verifier, entry: Entry, route: Route | Denied, address: str | None, now: int) -> Verdict | None:
    """Decides about a request with a proven key that came as it should, charges the key and counts, without I/O.

    Args:
        verifier: decides about keys.
        entry: the key, of the workspace whose gateway asks.
        route: the request's, or why it has none.
        address: the client's.
        now: microseconds UTC.

    Returns:
        None where the request may pass and charging takes I/O: then `charged`.
    """
    if isinstance(route, Route):
        return verifier.decide(entry, entry.workspace, (route.scopes, None, address), 1, now, _DOOR)
    denied = judge(entry, ((), None, address), now) or route
    return refused(verifier, denied, entry, address)


def charged(
    verifier: Verifier, routes: RouteTables, key: str, entry: Entry, asked: tuple[str, str, str | None], now: int
) -> Verdict:
    """Charges a key whose request may pass, with I/O, and decides once more as of then: about the key and the route.

    Args:
        verifier: decides about keys.
        routes: of all workspaces.
        key: the secret that the entry was found by.
        entry: the key.
        asked: the request's method and target, and the client's address.
        now: microseconds UTC.

    Raises:
        Unavailable: a quota has to be drawn and can't be; then nothing was charged, nor counted.
    """
    assert entry.spend is not None  # noqa: S101 - charging takes no I/O otherwise
    since = monotonic()
    outcome = verifier.limiter.charge(entry.spend, 1, now)
    method, target, address = asked
    try:
        still, table = _known(verifier, routes, key, entry, since)
    except Unavailable as error:  # an answer, not an error: who asks once more is charged once more
        return refused(verifier, Denied(Code.UNAVAILABLE, error.detail), entry, address)
    if still is None:
        return unknown(verifier)
    return _settled(verifier, still, find_route(table, method, target), address, outcome)


def _known(
    verifier: Verifier, routes: RouteTables, key: str, entry: Entry, since: float
) -> tuple[Entry | None, RouteTable]:
    """A key and its workspace's routes after a wait, where they were known at `since`."""
    table, still = routes.table(entry.workspace), entry
    for _ in range(_READINGS):
        if verifier.holds(still, since):
            break
        since = monotonic()
        found = verifier.lookup.kept(key) or verifier.lookup.entry(key)
        if found is None or found.workspace != entry.workspace:
            return None, table
        still = found
        table = routes.table(entry.workspace)
    return still, table


def _settled(verifier: Verifier, entry: Entry, route: Route | Denied, address: str | None, outcome: Outcome) -> Verdict:
    """The decision about a request whose key was charged already, counted."""
    if isinstance(route, Route):
        verdict = verifier.settled(entry, entry.workspace, (route.scopes, None, address), outcome)
        return verifier.counted(verdict, _DOOR, entry.workspace, route.scopes, address=address)
    verdict = verifier.settled(entry, entry.workspace, ((), None, address), None)
    return refused(verifier, verdict.denied or route, entry, address)


def refused(verifier: Verifier, denied: Denied, entry: Entry | None = None, address: str | None = None) -> Verdict:
    """A refusal for another reason, counted; entry: the key, if it is proven to be the workspace's."""
    workspace: WorkspaceId | None = None if entry is None else entry.workspace
    return verifier.counted(Verdict(denied, entry), _DOOR, workspace, address=address)


def unknown(verifier: Verifier) -> Verdict:
    """No key of this workspace."""
    return verifier.counted(UNKNOWN, _DOOR, None)


def to_be_told(verdict: Verdict) -> Spend[Any] | None:
    """What a refused key spends from, if the answer says what is left of it: the key is good, for something else."""
    entry, denied = verdict.entry, verdict.denied
    if entry is None or denied is None or denied.code is not Code.INSUFFICIENT_PERMISSION:
        return None
    return entry.spend
