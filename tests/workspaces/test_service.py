"""The workspace: merging a change into what stands."""

from dataclasses import replace

import pytest

from bitting.core.policies import Policies
from bitting.core.principal import WorkspaceId
from bitting.core.problems import InvalidInput
from bitting.store.workspaces import WorkspaceRow
from bitting.workspaces.service import merge

ROW = WorkspaceRow(WorkspaceId("wsp_x"), "Acme", "acme", "small", Policies(role_required=True, max_life_days=30), 1, 2)


def test_policies_merge_member_by_member() -> None:
    """Those not named stay; null takes a longest life away (RFC 7396)."""
    assert merge(ROW, {}) == ROW
    merged = merge(ROW, {"policies": {"maxLifeDays": None, "ipRequired": True}})
    assert merged == replace(ROW, policies=Policies(role_required=True, max_life_days=None, ip_required=True))


@pytest.mark.parametrize("prefix", ["", "Acme", "acme_", "1acme", "x" * 33])
def test_a_key_prefix_keeps_the_format_of_keys(prefix: str) -> None:
    """Lower-case letters, digits and inner underscores."""
    with pytest.raises(InvalidInput) as caught:
        merge(ROW, {"keyPrefix": prefix})
    assert [flaw.path for flaw in caught.value.flaws] == ["keyPrefix"]
