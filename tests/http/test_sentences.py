"""Each sentence of the two products' descriptions, held against the running server."""

from __future__ import annotations

from tests.support.api import Workspace, code_of


def test_x_api_key_header_works(workspace: Workspace) -> None:
    """A key sent as X-Api-Key is taken."""
    assert workspace.owner.get("/v1/keys/current").status_code == 200


def test_bearer_header_works(workspace: Workspace) -> None:
    """A key sent as Authorization: Bearer is taken."""
    answer = workspace.api.client.get("/v1/keys/current", headers={"Authorization": f"Bearer {workspace.owner.secret}"})
    assert answer.status_code == 200


def test_a_plan_without_keys_refuses(workspace: Workspace) -> None:
    """On a plan without keys, using one answers plan_required."""
    free = workspace.api.workspace(plan="small")
    caller = free.owner
    with free.api.backend.store.write() as connection:
        from dataclasses import replace

        from bitting.store.tenancy import Tenant

        tenant = Tenant(connection, free.id)
        tenant.workspace.update(replace(tenant.workspace.get(), plan="free"), 1)
    answer = caller.get("/v1/keys/current")
    assert (answer.status_code, code_of(answer)) == (403, "plan_required")
