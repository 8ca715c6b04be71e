"""The audit trail: what a viewer bound by a role is not told."""

import pytest

from bitting.audit.service import entry_view, refusal_view
from bitting.store.audit import AuditEntry, Refusal


def entry(action: str, target: str = "7") -> AuditEntry:
    return AuditEntry(1, 0, "usr_x", action, target, {"name": "secrets"}, {"name": "more"}, "req_x")


def refusal(action: str) -> Refusal:
    return Refusal(1, 0, "key_x", action, "insufficient_permission", "The property 'salary' …", "req_x")


@pytest.mark.parametrize("action", ["role.change", "dataset.change", "record.delete"])
def test_lines_about_data_are_cut_for_a_bound_viewer(action: str) -> None:
    """Neither what stood nor what stands, and the line says that it is partial."""
    view = entry_view(entry(action), bound=True)
    assert (view["before"], view["after"], view["partial"]) == (None, None, True)
    assert "secrets" not in str(view)
    whole = entry_view(entry(action), bound=False)
    assert (whole["before"], whole["after"], whole["partial"]) == ({"name": "secrets"}, {"name": "more"}, False)


def test_a_datasets_name_is_not_told_to_a_bound_viewer() -> None:
    """A dataset without a right on it doesn't exist for the viewer, in the trail neither."""
    assert entry_view(entry("dataset.create", "salaries"), bound=True)["target"] is None
    assert entry_view(entry("dataset.create", "salaries"), bound=False)["target"] == "salaries"
    assert entry_view(entry("role.create"), bound=True)["target"] == "7"


def test_lines_about_anything_else_are_whole() -> None:
    """Keys, users and the workspace say nothing about data."""
    view = entry_view(entry("key.revoke"), bound=True)
    assert (view["before"], view["partial"]) == ({"name": "secrets"}, False)


def test_the_reason_of_a_refused_call_about_data_is_cut() -> None:
    """A reason may name a property."""
    view = refusal_view(refusal("PATCH /v1/records/{dataset}/{record_id}"), bound=True)
    assert (view["reason"], view["partial"]) == (None, True)
    assert refusal_view(refusal("DELETE /v1/users/{user_id}"), bound=True)["reason"] is not None
