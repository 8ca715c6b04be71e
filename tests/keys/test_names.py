"""Names of keys by their ids: of those that one may read, and of no others."""

from __future__ import annotations

from bitting.backend import Context
from bitting.keys.service import key_names
from tests.support.api import Workspace
from tests.support.people import asking, person


def test_each_learns_the_names_of_keys_that_they_may_read(workspace: Workspace) -> None:
    """Administrators all of the workspace, everybody else their own, nobody those of another workspace."""
    who = person(workspace, "user")
    own, other = workspace.key(name="Mine", owner=who.id).id, workspace.key(name="Other").id
    elsewhere = workspace.api.workspace().key(name="Elsewhere").id
    asked = [own, other, elsewhere, "key_unknown"]
    backend = workspace.api.backend
    assert key_names(backend, asking(who.log_in()), asked) == {own: "Mine"}
    assert key_names(backend, Context(workspace.principal()), asked) == {own: "Mine", other: "Other"}
    assert key_names(backend, Context(workspace.principal()), []) == {}
