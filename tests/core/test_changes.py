"""What an audited action makes stale: every action of the code has its kind, and a new one can't be forgotten."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import bitting
from bitting.core.changes import ChangeKind, changed_by
from bitting.core.principal import WorkspaceId

SOURCE = Path(bitting.__file__).parent
OURS = WorkspaceId("wsp_ours")
_ACTION = re.compile(r"[a-z]+\.[a-z]+[A-Za-z]*")

# Written out from what is kept of each: None is for what nobody keeps.
KINDS = {
    "key.create": ChangeKind.KEY,
    "key.change": ChangeKind.KEY,
    "key.disable": ChangeKind.KEY,
    "key.enable": ChangeKind.KEY,
    "key.revoke": ChangeKind.KEY,
    "key.rotate": ChangeKind.KEY,
    "user.create": ChangeKind.USER,
    "user.change": ChangeKind.USER,
    "user.delete": ChangeKind.USER,
    "user.password": ChangeKind.USER,
    "user.invite": ChangeKind.USER,
    "user.resetLink": ChangeKind.USER,
    "role.create": ChangeKind.ROLE,
    "role.change": ChangeKind.ROLE,
    "role.delete": ChangeKind.ROLE,
    "dataset.create": ChangeKind.DATASET,
    "dataset.change": ChangeKind.DATASET,
    "dataset.delete": ChangeKind.DATASET,
    "dataset.attach": ChangeKind.DATASET,
    "dataset.detach": ChangeKind.DATASET,
    "workspace.create": ChangeKind.WORKSPACE,
    "workspace.change": ChangeKind.WORKSPACE,
    "workspace.delete": ChangeKind.WORKSPACE,
    "resources.declare": ChangeKind.WORKSPACE,
    "dashboard.create": None,
    "dashboard.change": None,
    "dashboard.delete": None,
    "session.create": None,
    "session.end": None,
    "session.endAll": None,
}


def recorded_actions() -> set[str]:
    """Every action that the code records: the text given to `record`, or else all that its module might give it."""
    found: set[str] = set()
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "record":
                found |= texts(call.args[0]) or texts(tree)
    return found


def texts(tree: ast.AST) -> set[str]:
    """The texts in a tree that are shaped like an action."""
    values = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {value for value in values if _ACTION.fullmatch(value)}


def test_every_recorded_action_has_its_kind() -> None:
    """Those that stand above as they stand there, and none is recorded that the table doesn't know."""
    recorded = recorded_actions()
    assert recorded >= KINDS.keys()
    for action in recorded:
        changed = changed_by(action, "x", OURS)
        if action in KINDS:
            assert (None if changed is None else changed[0]) == KINDS[action], action


@pytest.mark.parametrize(("action", "kind"), [pair for pair in KINDS.items() if pair[1] is not None])
def test_the_target_is_the_lines_own_but_of_a_workspace(action: str, kind: ChangeKind) -> None:
    """What a workspace has one of is named by the workspace."""
    assert changed_by(action, "x", OURS) == (kind, OURS if kind is ChangeKind.WORKSPACE else "x")


@pytest.mark.parametrize("action", ["route.create", "route.change", "route.delete"])
def test_a_route_is_its_workspaces(action: str) -> None:
    """A gateway keeps the routes of a workspace together."""
    assert changed_by(action, "x", OURS) == (ChangeKind.WORKSPACE, OURS)


@pytest.mark.parametrize("action", ["", "keys.revoke", "sessions.end", "keyrevoke"])
def test_an_unknown_action_is_an_error(action: str) -> None:
    """It is not taken for one that changes nothing."""
    with pytest.raises(ValueError, match="no kind of change"):
        changed_by(action, "x", OURS)


def test_kinds_are_written_in_the_database() -> None:
    """Processes of two versions read each other's."""
    assert {kind.value for kind in ChangeKind} == {"key", "user", "role", "workspace", "dataset"}
