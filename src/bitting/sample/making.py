"""Makes the sample workspace through the rooms' services, as an operator and callers of the API would."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from bitting.backend import Backend, Context
from bitting.core.plans import SELF_HOSTED_PLAN
from bitting.core.principal import WorkspaceId, operator
from bitting.dashboards.service import create_dashboard
from bitting.datasets.service import create_dataset
from bitting.keys.service import create_key
from bitting.roles.service import create_role
from bitting.sample import shapes
from bitting.sample.records import Maker
from bitting.store.workspaces import WorkspaceRow, every_workspace
from bitting.users.service import create_user
from bitting.workspaces.operation import create_workspace

NAME = "Sample"
OWNER_EMAIL = "owner@example.com"
OWNER_NAME = "Olive Bitting"


@dataclass(frozen=True, slots=True)
class Made:
    """A sample workspace that was just made, with its secrets: they are nowhere else. `dashboard` is an id."""

    workspace: WorkspaceId
    email: str
    password: str
    owner_key: str
    sales_key: str
    web_form_key: str
    dashboard: str


def find_sample(backend: Backend) -> tuple[WorkspaceRow | None, bool]:
    """The sample workspace, if it stands, and whether any workspace does."""
    with backend.store.read() as connection:
        rows = every_workspace(connection)
    return next((row for row in rows if row.name == NAME), None), bool(rows)


def make_sample(backend: Backend) -> Made:
    """Makes the sample workspace.

    Args:
        backend: to be all one transaction, so that an interrupted start leaves nothing half made.
    """
    password = secrets.token_urlsafe(15)
    row, owner, owner_key = create_workspace(backend, NAME, "bit", SELF_HOSTED_PLAN, OWNER_EMAIL, OWNER_NAME, password)
    context = Context(operator(row.id))
    people = [create_user(backend, context, person).view["id"] for person in shapes.PEOPLE]
    for dataset in (shapes.LEADS, shapes.ORDERS):
        create_dataset(backend, context, dataset)
    _fill(backend, context, [owner.id, *people])
    dashboard = create_dashboard(backend, context, shapes.DASHBOARD).view["id"]
    return Made(
        workspace=row.id,
        email=OWNER_EMAIL,
        password=password,
        owner_key=owner_key.reveal(),
        sales_key=_key(backend, context, shapes.SALES, shapes.SALES_KEY),
        web_form_key=_key(backend, context, shapes.WEB_FORM, shapes.WEB_FORM_KEY),
        dashboard=dashboard,
    )


def _key(backend: Backend, context: Context, role: dict[str, Any], key: dict[str, Any]) -> str:
    """Makes a role and a key that is bound by it: the key's secret."""
    role_id = create_role(backend, context, role).view["id"]
    return str(create_key(backend, context, {**key, "role": role_id}).view["key"])


def _fill(backend: Backend, context: Context, people: list[str]) -> None:
    with backend.change_records(context) as change:
        by_name = change.datasets.catalogue().by_name
        maker = Maker(change.now, people)
        leads = maker.leads(by_name["leads"])
        change.records.insert_many(leads)
        change.records.insert_many(maker.orders(by_name["orders"], leads))
