"""Who is asking: the decision order of DESIGN §5 from step 1 to step 5, first refusal wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from bitting.core.credentials import find_credential
from bitting.core.decisions import Code, Denied
from bitting.core.lifecycle import Identity, Transport, key_alive, principal_of, transport_allowed
from bitting.core.principal import Kind, Principal, WorkspaceId
from bitting.store.identities import find_by_digest, find_by_key
from bitting.store.sessions import SessionQueries
from bitting.verify.verifier import INVALID

Clock = Callable[[], int]

# A key refused for one of these has been where it should never be: somebody should look.
EXPOSING = frozenset({Code.INSECURE_TRANSPORT, Code.BROWSER_NOT_ALLOWED})

ENDED = Denied(Code.INVALID_KEY, "Your session has ended: log in again.")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What of a request authentication looks at; `path` and `query` as they came, undecoded."""

    api_keys: tuple[str, ...]
    authorizations: tuple[str, ...]
    path: str
    query: str
    transport: Transport


class Authenticator:
    """Resolves credentials against the store.

    Args:
        find: reads the identity that a secret belongs to, None if no key has it; raises Unavailable.
        plans: plan -> whether it includes API keys.
        clock: now, in microseconds UTC.

    `flag_exposed` may be set to be told of living keys that came in clear text or from a web page.
    """

    def __init__(self, find: Callable[[str], Identity | None], plans: Mapping[str, bool], clock: Clock) -> None:
        self.find, self._plans, self._clock = find, plans, clock
        self.flag_exposed: Callable[[Identity, Denied], None] = lambda _identity, _denied: None

    def authenticate(
        self, facts: RequestFacts, proven: Callable[[Identity], None] = lambda _identity: None
    ) -> Principal | Denied:
        """Resolves a request's one credential to a principal, or says why not.

        `proven` is told whose key it is as soon as that is known, whatever is decided then.
        """
        credential = find_credential(facts.api_keys, facts.authorizations, facts.path, facts.query)
        if isinstance(credential, Denied):
            return credential
        identity = self.find(credential.reveal())
        if identity is None:
            return INVALID
        proven(identity)
        alive = key_alive(identity, self._clock())
        if isinstance(alive, Denied):
            return alive
        transport = transport_allowed(facts.transport, identity.key.allowed_ips)
        if isinstance(transport, Denied):
            if transport.code in EXPOSING:
                self.flag_exposed(identity, transport)
            return transport
        return principal_of(identity)

    def refresh(self, principal: Principal, connection: Connection) -> Principal | Denied:
        """Resolves a principal afresh within a transaction: what was decided on may have changed."""
        if principal.kind is Kind.OPERATOR:
            return principal
        if principal.session is not None:
            return self._refresh_session(principal.workspace, principal.session, connection)
        if principal.key is None:
            return INVALID
        if principal.credential is None:
            identity = find_by_key(connection, principal.workspace, principal.key.id, self._plans)
        else:
            identity = find_by_digest(connection, dict([principal.credential]), self._plans)
        if identity is None:
            return INVALID
        alive = key_alive(identity, self._clock())
        return alive if isinstance(alive, Denied) else principal_of(identity)

    def _refresh_session(self, workspace: WorkspaceId, session: str, connection: Connection) -> Principal | Denied:
        found = SessionQueries(connection, workspace).get(session, self._clock())
        return ENDED if found is None else found.principal
