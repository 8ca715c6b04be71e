"""Seeing records as a key does: its principal, narrowed to what whoever looks may see itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bitting.backend import Backend, Context
from bitting.core.calls import CALLS_BY_NAME
from bitting.core.decisions import ALLOWED, Allowed, Decision
from bitting.core.lifecycle import key_alive, principal_of
from bitting.core.permission import may_call
from bitting.core.principal import Principal
from bitting.keys.explaining import as_the_viewer_has_them, identity_for
from bitting.keys.service import find_key
from bitting.keys.views import key_view


@dataclass(frozen=True, slots=True)
class Eyes:
    """A key's eyes.

    `principal` is for reading alone: no change can be made with it. `may_read` says whether the key may read records at
    all now, and why not; `partial` whether the viewer's own role takes something away.
    """

    key: dict[str, Any]
    principal: Principal
    may_read: Decision
    partial: bool


def eyes_of(backend: Backend, context: Context, key_id: str) -> Eyes:
    """The eyes of a key, for who may read the key.

    What the viewer's role hides stays hidden: its roles bind the principal beside the key's own, and ask there for the
    viewer's user.

    Raises:
        NotFound: no such key for the viewer.
    """
    with backend.read(context) as reading:
        row, viewer = find_key(reading, key_id), reading.principal
        identity = identity_for(backend, reading, row.facts)
        subject = principal_of(identity)
        catalogue = reading.shown(reading.datasets.catalogue())
        roles = tuple(dict.fromkeys((*subject.roles, *as_the_viewer_has_them(viewer, subject, catalogue))))
        # Without a key to be resolved by, no change takes it: these eyes have no hands.
        principal = replace(subject, roles=roles, key=None, limits=(), credential=None)
        alive = key_alive(identity, reading.now)
        return Eyes(key_view(row, reading.now), principal, _may_read(alive, viewer, subject), partial=viewer.bound)


def _may_read(alive: Decision, viewer: Principal, subject: Principal) -> Decision:
    call = CALLS_BY_NAME["GET /v1/records"]
    decisions = (alive, may_call(subject, call), may_call(viewer, call))
    return next((one for one in decisions if not isinstance(one, Allowed)), ALLOWED)
