"""May a request behind a gateway pass: the one decision, for the call in front of the framework and the one in it.

Its order is that of every call (DESIGN §5): the route comes at step 6, so that nobody without a good key learns which
paths there are.
"""

from __future__ import annotations

from typing import Any

from bitting.core.decisions import Code, Denied
from bitting.core.gateway import Route
from bitting.core.principal import WorkspaceId
from bitting.verify.counting import Door
from bitting.verify.entries import Entry, judge
from bitting.verify.limits import Spend
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
        None where the request may pass and charging takes I/O: then the verifier's `charged` or `charged_async`.
    """
    if isinstance(route, Route):
        return verifier.decide(entry, entry.workspace, (route.scopes, None, address), 1, now, _DOOR)
    denied = judge(entry, ((), None, address), now) or route
    return refused(verifier, denied, entry)


def refused(verifier: Verifier, denied: Denied, entry: Entry | None = None) -> Verdict:
    """A refusal for another reason, counted; entry: the key, if it is proven to be the workspace's."""
    workspace: WorkspaceId | None = None if entry is None else entry.workspace
    return verifier.counted(Verdict(denied, entry), _DOOR, workspace)


def unknown(verifier: Verifier) -> Verdict:
    """No key of this workspace."""
    return verifier.counted(UNKNOWN, _DOOR, None)


def to_be_told(verdict: Verdict) -> Spend[Any] | None:
    """What a refused key spends from, if the answer says what is left of it: the key is good, for something else."""
    entry, denied = verdict.entry, verdict.denied
    if entry is None or denied is None or denied.code is not Code.INSUFFICIENT_PERMISSION:
        return None
    return entry.spend
