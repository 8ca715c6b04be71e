"""An exported head of the audit trail: what was cut after it was kept shows, however much has come since."""

from __future__ import annotations

from sqlalchemy import delete

from bitting.audit.service import verify_trail
from bitting.store.audit import ChainReport, Head
from bitting.store.tables import audit_entries
from tests.support.api import Workspace


def report_of(workspace: Workspace, heads: dict[str, Head] | None = None) -> ChainReport:
    reports = {report.workspace: report for report in verify_trail(workspace.api.backend, heads)}
    return reports[workspace.id]


def make_lines(workspace: Workspace, many: int) -> None:
    for _ in range(many):
        workspace.key()


def cut_from(workspace: Workspace, seq: int) -> None:
    ours = audit_entries.c.workspace_id == workspace.id
    with workspace.api.backend.store.write() as connection:
        connection.execute(delete(audit_entries).where(ours, audit_entries.c.seq >= seq))


def test_a_trail_that_was_cut_and_grew_again_is_not_the_one_that_was_kept(workspace: Workspace) -> None:
    """Longer than the kept head, and each line signed: still another trail."""
    make_lines(workspace, 6)
    kept = report_of(workspace)
    heads: dict[str, Head] = {workspace.id: (kept.entries, kept.head)}
    cut_from(workspace, 5)
    make_lines(workspace, 5)
    assert report_of(workspace).flaw is None  # without the head nothing shows
    assert report_of(workspace, {**heads}).flaw == "line 6 is not the one that was there when its MAC was kept"


def test_a_cut_end_and_a_trail_that_is_gone_show_against_the_head(workspace: Workspace) -> None:
    """Up to the line that was kept; and a head that still holds says so."""
    make_lines(workspace, 4)
    kept = report_of(workspace)
    heads: dict[str, Head] = {workspace.id: (kept.entries, kept.head)}
    make_lines(workspace, 2)
    assert report_of(workspace, {**heads}).flaw is None
    cut_from(workspace, 4)
    assert report_of(workspace, {**heads}).flaw == "lines after 3 were cut off, up to 4"
    cut_from(workspace, 1)
    assert report_of(workspace, {**heads}).flaw == "all lines are gone; there were 4"
