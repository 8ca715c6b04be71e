"""What a change of administration makes stale: the kinds of things that others keep a copy of, and which one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bitting.core.principal import WorkspaceId


class ChangeKind(StrEnum):
    """What was changed, and how `ChangeEvent.target` names it."""

    KEY = "key"  # by its id; a change of its secrets too
    USER = "user"  # by its id
    ROLE = "role"  # by its id, in decimal
    WORKSPACE = "workspace"  # by its id: itself, or what it has one of, as its declared resources
    DATASET = "dataset"  # by the name that it has after the change; who keeps names keeps them for a whole workspace


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One committed change; `seq` tells events apart, and is not the order of their commits."""

    seq: int
    workspace: WorkspaceId
    kind: ChangeKind
    target: str


# By the first word of an audit action. None: nobody keeps a copy of these.
_KINDS: dict[str, ChangeKind | None] = {
    "key": ChangeKind.KEY,
    "user": ChangeKind.USER,
    "role": ChangeKind.ROLE,
    "workspace": ChangeKind.WORKSPACE,
    "resources": ChangeKind.WORKSPACE,
    "route": ChangeKind.WORKSPACE,
    "dataset": ChangeKind.DATASET,
    "dashboard": None,
    "session": None,
}


def changed_by(action: str, target: str, workspace: WorkspaceId) -> tuple[ChangeKind, str] | None:
    """What an audited action changed, as the feed names it; None if nobody keeps a copy of it.

    Args:
        action: as the audit trail has it, `key.rotate`.
        target: of the same line.
        workspace: whose.

    Raises:
        ValueError: when the table has no such action: a new one can't be forgotten here.
    """
    subject = action.partition(".")[0]
    if subject not in _KINDS:
        raise ValueError(f"no kind of change is known for the action '{action}'")
    kind = _KINDS[subject]
    if kind is None:
        return None
    return kind, workspace if kind is ChangeKind.WORKSPACE else target
