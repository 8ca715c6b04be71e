"""People who log in, for tests of the service itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bitting.api.pages import PageRequest
from bitting.audit.service import list_audit
from bitting.backend import Context
from bitting.core.authority import UserType
from bitting.core.ids import new_id
from bitting.core.principal import UserFacts
from bitting.sessions.service import Begun, Choice, Session, Turned, find_session, log_in
from bitting.store.audit import AuditFilter
from bitting.store.tenancy import Tenant
from bitting.verify.passwords import hash_password
from tests.support.api import Workspace

PASSWORD = "a password of the tests"
HASH = hash_password(PASSWORD)  # once: it is slow on purpose
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Person:
    """A user of a workspace; `log_in` comes from an address of its own, so that tests don't count for each other."""

    workspace: Workspace
    id: str
    email: str
    address: str
    password: str = field(default=PASSWORD, repr=False)

    def try_to_log_in(self, password: str | None = None, **given: Any) -> Begun | Choice | Turned:
        """What logging in comes to."""
        return log_in(
            self.workspace.api.backend,
            given.get("email", self.email),
            self.password if password is None else password,
            address=given.get("address", self.address),
            agent=given.get("agent", FIREFOX),
            request_id=given.get("request_id", "req_test"),
            device=given.get("device"),
        )

    def log_in(self, password: str | None = None) -> Begun:
        """A new session."""
        begun = self.try_to_log_in(password)
        assert isinstance(begun, Begun), begun
        return begun

    def finds(self, begun: Begun) -> Session | None:
        """The session of a token, as a request finds it now."""
        return find_session(self.workspace.api.backend, begun.token)


_ADDRESSES = iter(f"10.{one}.{two}.{three}" for one in range(256) for two in range(256) for three in range(1, 255))


def new_address() -> str:
    """An address from which nobody has tried to log in yet: tries stay counted when a test's clock goes back."""
    return next(_ADDRESSES)


def person(
    workspace: Workspace,
    user_type: str = "owner",
    role: int | None = None,
    *,
    email: str | None = None,
    password_hash: str | None = HASH,
    enabled: bool = True,
) -> Person:
    """A new user, with a password unless told."""
    ident = new_id("usr")
    address = email or f"{ident.lower()}@example.com"
    facts = UserFacts(ident, address, "Olive", UserType(user_type), role, enabled)
    with workspace.api.backend.store.write() as connection:
        Tenant(connection, workspace.id).users.insert(facts, workspace.api.clock(), password_hash)
    return Person(workspace, ident, address, new_address())


def asking(begun: Begun) -> Context:
    """The context of a request with a session."""
    return Context(begun.session.principal, None, "req_test")


def audit_of(workspace: Workspace) -> list[dict[str, Any]]:
    """The workspace's audit trail, oldest first."""
    context = Context(workspace.principal())
    page = list_audit(workspace.api.backend, context, PageRequest(100, None), "changes", AuditFilter())
    return list(reversed(page["items"]))


def refusals_of(workspace: Workspace) -> list[dict[str, Any]]:
    """The workspace's log of refusals, oldest first, once all errands are done."""
    workspace.api.backend.errands.settle()
    context = Context(workspace.principal())
    page = list_audit(workspace.api.backend, context, PageRequest(100, None), "refusals", AuditFilter())
    return list(reversed(page["items"]))
