"""May a request behind a gateway pass: the one decision, for the call in front of the framework and the one in it.

Its order is that of every call (DESIGN §5): the route comes at step 6, so that nobody without a good key learns which
paths there are.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from bitting.core.decisions import Code, Denied
from bitting.core.gateway import Route, find_route
from bitting.core.principal import WorkspaceId
from bitting.verify.counting import Door
from bitting.verify.entries import Entry, judge
from bitting.verify.limits import Outcome, Spend
from bitting.verify.routes import RouteTables
from bitting.verify.verifier import UNKNOWN, Verdict, Verifier

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
        Unavailable: a quota has to be drawn and can't be; then nothing was charged, nor counted. Or the key or the
            routes were changed meanwhile, and can't be read.
    """
    assert entry.spend is not None  # noqa: S101 - charging takes no I/O otherwise
    workspace, since = entry.workspace, monotonic()
    outcome = verifier.limiter.charge(entry.spend, 1, now)
    table, still = routes.table(workspace), entry
    while not verifier.holds(still, since):  # nor may reading one outdate the other
        since = monotonic()
        found = verifier.lookup.kept(key) or verifier.lookup.entry(key)
        if found is None or found.workspace != workspace:
            return unknown(verifier)
        table, still = routes.table(workspace), found
    method, target, address = asked
    return _settled(verifier, still, find_route(table, method, target), address, outcome)


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
