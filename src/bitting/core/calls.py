"""The call table: each call of the API, the one scope that it needs, and what it does.

The server refuses to start with a route that is not here; the authority tests, the OpenAPI document
and docs/reference/api.md are drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `scope` None: any valid key may."""

    method: str
    path: str
    scope: str | None
    does: str
    full_only: bool = False  # sessions and `full` keys only, whatever the scopes

    @property
    def administers(self) -> bool:
        """Whether it changes something of the workspace's administration: its refusals are kept."""
        return self.method != "GET" and self.scope is not None and self.scope not in ("records:write", "keys:verify")

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def _crud(base: str, item: str, resource: str, noun: str, *, plural: str) -> list[Call]:
    read, write = f"{resource}:read", f"{resource}:write"
    return [
        Call("GET", base, read, f"List {plural}"),
        Call("POST", base, write, f"Create a {noun}"),
        Call("GET", f"{base}/{item}", read, f"Read a {noun}"),
        Call("PATCH", f"{base}/{item}", write, f"Change a {noun}"),
        Call("DELETE", f"{base}/{item}", write, f"Delete a {noun}"),
    ]


_RECORD = "/v1/records/{dataset}/{record_id}"

CALLS: tuple[Call, ...] = (
    Call("GET", "/v1/keys/current", None, "Read the key that asks: is it valid, and what may it do"),
    Call("POST", "/v1/keys/verify", "keys:verify", "Verify a key that was sent to your own API"),
    Call("GET", "/v1/keys", "keys:read", "List keys"),
    Call("POST", "/v1/keys", "keys:write", "Create a key; the answer holds its secret, once"),
    Call("GET", "/v1/keys/{key_id}", "keys:read", "Read a key"),
    Call("PATCH", "/v1/keys/{key_id}", "keys:write", "Change a key"),
    Call("DELETE", "/v1/keys/{key_id}", "keys:write", "Revoke a key, for good"),
    Call("POST", "/v1/keys/{key_id}/disable", "keys:write", "Switch a key off, reversibly"),
    Call("POST", "/v1/keys/{key_id}/enable", "keys:write", "Switch a disabled key on"),
    Call(
        "POST",
        "/v1/keys/{key_id}/rotate",
        "keys:write",
        "Give a key a new secret; the old one works on for the overlap",
    ),
    Call("GET", "/v1/keys/{key_id}/access", "keys:read", "Explain all that a key can reach"),
    Call("GET", "/v1/keys/{key_id}/usage", "usage:read", "Read how often a key was used, and refused why"),
    *_crud("/v1/roles", "{role_id}", "roles", "role", plural="roles"),
    *_crud("/v1/datasets", "{dataset}", "datasets", "dataset", plural="datasets"),
    Call(
        "POST",
        "/v1/datasets/attach",
        "datasets:write",
        "Create a dataset that reads a table of another database in place",
    ),
    *_crud("/v1/users", "{user_id}", "users", "user", plural="users"),
    *_crud("/v1/dashboards", "{dashboard_id}", "dashboards", "dashboard", plural="dashboards"),
    Call("GET", "/v1/dashboards/{dashboard_id}/data", "dashboards:read", "Compute what a dashboard's widgets show you"),
    Call("GET", "/v1/workspace", "workspace:read", "Read the workspace"),
    Call("PATCH", "/v1/workspace", "workspace:write", "Change the workspace"),
    Call("DELETE", "/v1/workspace", "workspace:write", "Delete the workspace and all that is in it"),
    Call("GET", "/v1/resources", "resources:read", "Read the resources declared for your own API"),
    Call("PUT", "/v1/resources", "resources:write", "Declare the resources of your own API", full_only=True),
    Call("GET", "/v1/routes", "resources:read", "List the routes of your gateways"),
    Call("POST", "/v1/routes", "resources:write", "Create a route", full_only=True),
    Call("GET", "/v1/routes/{route_id}", "resources:read", "Read a route"),
    Call("PATCH", "/v1/routes/{route_id}", "resources:write", "Change a route", full_only=True),
    Call("DELETE", "/v1/routes/{route_id}", "resources:write", "Delete a route", full_only=True),
    Call("GET", "/v1/authorize/{workspace_id}", None, "Tell a gateway whether a request may pass"),
    Call("GET", "/v1/records", "records:read", "List records"),
    Call("POST", "/v1/records", "records:write", "Create a record"),
    Call("GET", _RECORD, "records:read", "Read a record"),
    Call("PATCH", _RECORD, "records:write", "Change a record's properties"),
    Call("DELETE", _RECORD, "records:write", "Delete a record"),
    Call("POST", f"{_RECORD}/state", "records:write", "Move a record to another state"),
    Call("POST", f"{_RECORD}/archive", "records:write", "Archive a record"),
    Call("GET", "/v1/usage", "usage:read", "Read how often keys were used, and refused why"),
    Call("GET", "/v1/usage/addresses", "usage:read", "Read from where keys were used"),
    Call("GET", "/v1/audit", "audit:read", "Read the audit trail"),
)

CALLS_BY_NAME: dict[str, Call] = {call.name: call for call in CALLS}
