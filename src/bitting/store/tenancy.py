"""All of one workspace, within one transaction."""

from __future__ import annotations

from functools import cached_property

from sqlalchemy import Connection

from bitting.core.principal import WorkspaceId
from bitting.store.addresses import AddressQueries
from bitting.store.audit import AuditQueries
from bitting.store.datasets import DatasetQueries
from bitting.store.gateway import RouteQueries
from bitting.store.idempotency import IdempotencyQueries
from bitting.store.imports import ImportQueries
from bitting.store.keys import KeyQueries
from bitting.store.records import RecordQueries
from bitting.store.roles import RoleQueries
from bitting.store.sessions import LinkQueries, SessionQueries
from bitting.store.usage import UsageQueries
from bitting.store.users import UserQueries
from bitting.store.workspaces import DashboardQueries, WorkspaceQueries


class Tenant:
    """The queries of one workspace, room by room.

    Args:
        connection: an open transaction.
        workspace: whose data.
    """

    def __init__(self, connection: Connection, workspace: WorkspaceId) -> None:
        self.connection = connection
        self.workspace_id = workspace

    @cached_property
    def workspace(self) -> WorkspaceQueries:
        return WorkspaceQueries(self.connection, self.workspace_id)

    @cached_property
    def keys(self) -> KeyQueries:
        return KeyQueries(self.connection, self.workspace_id)

    @cached_property
    def users(self) -> UserQueries:
        return UserQueries(self.connection, self.workspace_id)

    @cached_property
    def sessions(self) -> SessionQueries:
        return SessionQueries(self.connection, self.workspace_id)

    @cached_property
    def links(self) -> LinkQueries:
        return LinkQueries(self.connection, self.workspace_id)

    @cached_property
    def roles(self) -> RoleQueries:
        return RoleQueries(self.connection, self.workspace_id)

    @cached_property
    def datasets(self) -> DatasetQueries:
        return DatasetQueries(self.connection, self.workspace_id)

    @cached_property
    def records(self) -> RecordQueries:
        return RecordQueries(self.connection, self.workspace_id)

    @cached_property
    def imports(self) -> ImportQueries:
        return ImportQueries(self.connection, self.workspace_id)

    @cached_property
    def dashboards(self) -> DashboardQueries:
        return DashboardQueries(self.connection, self.workspace_id)

    @cached_property
    def routes(self) -> RouteQueries:
        return RouteQueries(self.connection, self.workspace_id)

    @cached_property
    def usage(self) -> UsageQueries:
        return UsageQueries(self.connection, self.workspace_id)

    @cached_property
    def addresses(self) -> AddressQueries:
        return AddressQueries(self.connection, self.workspace_id)

    @cached_property
    def audit(self) -> AuditQueries:
        return AuditQueries(self.connection, self.workspace_id)

    @cached_property
    def idempotency(self) -> IdempotencyQueries:
        return IdempotencyQueries(self.connection, self.workspace_id)
