"""Verifying keys for services that guard their own API."""

from __future__ import annotations

from time import monotonic
from typing import Any

from bitting.backend import Backend, Context, Reading
from bitting.core.authority import Access, parse_scopes
from bitting.core.data_access import NEVER, DataAction, settle, write_access
from bitting.core.decisions import insufficient
from bitting.core.lifecycle import principal_of
from bitting.core.network import parse_address
from bitting.core.predicates import TRUE
from bitting.core.principal import Principal
from bitting.core.problems import InvalidInput
from bitting.core.reach import Reach
from bitting.core.roles import Role
from bitting.core.schema import Catalogue, Dataset
from bitting.keys.schemas import Verify
from bitting.verify.counting import Door
from bitting.verify.entries import ended
from bitting.verify.limits import rate_limit
from bitting.verify.verifier import Verdict


def verify_key(backend: Backend, context: Context, asked: Verify) -> dict[str, Any]:
    """Whether a key of the caller's workspace is valid for what was asked with it, by a caller who may still ask."""
    cache, caller = backend.lookup.cache, context.principal
    began = cache.epoch
    said = _said(backend, context, asked)
    depends = (caller.workspace, caller.actor, caller.user_id or "", *(caller.key.lineage if caller.key else ()))
    if not all(cache.unchanged(target, began) for target in depends):
        with backend.read_afresh(context):  # it is refused if it lost its right while it waited
            pass
    return said


def _said(backend: Backend, context: Context, asked: Verify) -> dict[str, Any]:
    parse_scopes(asked.scopes, context.principal.declared, wildcard=False)
    if asked.ip is not None and parse_address(asked.ip) is None:
        raise InvalidInput.at("ip", "an IPv4 or IPv6 address is expected")
    if asked.action is not None and asked.dataset is None:
        raise InvalidInput.at("action", "says what is done with records: name their dataset too")
    if asked.dataset is None:
        return _answered(_verified(backend, context, asked))
    action = DataAction(asked.action or "read")
    verdict, data = _reaching(backend, context, asked, asked.dataset, action)
    since = monotonic()
    verdict = backend.verifier.charge(verdict, asked.cost)
    fresh = backend.verifier.holds(verdict.entry, since)
    while not (fresh and _stands(backend, verdict)):  # it was changed while data or limits were read
        fresh = True  # as what is read now is younger than the wait
        again, data = _reaching(backend, context, asked, asked.dataset, action)
        verdict = Verdict(verdict.denied, again.entry, verdict.outcome) if again.valid else again
    said = _answered(_counted(backend, context, asked, verdict))
    return said if data is None else {**said, "data": data, "partial": context.principal.bound}


def _reaching(
    backend: Backend, context: Context, asked: Verify, dataset: str, action: DataAction
) -> tuple[Verdict, Any | None]:
    """Whether a key is good, before it is charged, and what it reaches of a dataset, if it is."""
    # The roles are read first: what they open is never older than the verdict beside it.
    identity = backend.authenticator.find(asked.key)
    verdict = _checked(backend, context, asked)
    if identity is None or not verdict.valid:
        return verdict, None
    subject = principal_of(identity)
    with backend.read(context) as reading:
        data = data_access(reading, subject, dataset, action)
    if data == NEVER:
        verdict = Verdict(insufficient(_refusal(subject, dataset, action)), verdict.entry)
    return verdict, data


def _stands(backend: Backend, verdict: Verdict) -> bool:
    """Whether a key that was found good still is what it was, after waits; a refusal stands."""
    entry = verdict.entry
    if entry is None or not verdict.valid:
        return True
    return backend.lookup.cache.still_so(entry, entry.epoch) and ended(entry, backend.clock()) is None


def _verified(backend: Backend, context: Context, asked: Verify) -> Verdict:
    workspace, scopes = context.principal.workspace, tuple(asked.scopes)
    return backend.verifier.verify(
        workspace, asked.key, scopes, asked.environment, asked.ip, asked.cost, door=Door.VERIFY
    )


def _checked(backend: Backend, context: Context, asked: Verify) -> Verdict:
    return backend.verifier.check(
        context.principal.workspace, asked.key, (tuple(asked.scopes), asked.environment, asked.ip)
    )


def _counted(backend: Backend, context: Context, asked: Verify, verdict: Verdict) -> Verdict:
    workspace, scopes = context.principal.workspace, tuple(asked.scopes)
    return backend.verifier.counted(verdict, Door.VERIFY, workspace, scopes, asked.dataset, asked.ip)


def data_access(reading: Reading, subject: Principal, name: str, action: DataAction) -> Any:
    """What a principal may do with the records of a dataset, as far as the reader may know.

    Both are settled with their own user: a reader's grants for assigned records are for those assigned to the reader.
    """
    catalogue = reading.datasets.catalogue()
    shown = reading.shown(catalogue)
    dataset = shown.by_name.get(name)
    if dataset is None or not _acts(subject, action):
        return NEVER
    whole = catalogue.by_id[dataset.id]
    roles = _roles(whole, subject, reading.principal)
    reach = Reach.of(dataset, roles, has_user=False)
    return write_access(reach, action, unseen=_unseen(catalogue, shown, dataset, subject, reading.principal))


def _acts(subject: Principal, action: DataAction) -> bool:
    """A key that only reads changes nothing, whatever its roles allow."""
    return action is DataAction.READ or subject.access is not Access.READ_ONLY


def _roles(dataset: Dataset, *principals: Principal) -> tuple[Role, ...]:
    """All that bind them, settled for each over the dataset as it stands; what is alike counts once."""
    settled = (settle(principal.roles, dataset, principal.user_id) for principal in principals)
    return tuple(dict.fromkeys(role for roles in settled for role in roles))


def _unseen(catalogue: Catalogue, shown: Catalogue, dataset: Dataset, *principals: Principal) -> frozenset[int]:
    """Links of the dataset into datasets of which some record may be kept from them."""

    def all_seen(linked: int | None) -> bool:
        if linked is None or linked not in shown.by_id:
            return False
        roles = _roles(catalogue.by_id[linked], *principals)
        return Reach.of(shown.by_id[linked], roles, has_user=False).row_predicate() == TRUE

    links = (prop for prop in dataset.properties if prop.links_to is not None)
    return frozenset(prop.id for prop in links if not all_seen(prop.links_to))


def _refusal(subject: Principal, dataset: str, action: DataAction) -> str:
    if not _acts(subject, action):
        return "The key is read only."
    return f"The key reaches no data in a dataset '{dataset}' to {_VERBS[action]}."


_VERBS = {
    DataAction.READ: "read",
    DataAction.CREATE: "create",
    DataAction.EDIT: "edit",
    DataAction.CHANGE_STATE: "move to another state",
    DataAction.ARCHIVE: "archive",
    DataAction.DELETE: "delete",
}


def _answered(verdict: Verdict) -> dict[str, Any]:
    """The answer to a decision."""
    denied = verdict.denied
    said: dict[str, Any] = {
        "valid": denied is None,
        "code": "valid" if denied is None else denied.code.value,
        "reason": "The key is valid." if denied is None else denied.reason,
    }
    if verdict.entry is None:
        return said
    left = {} if verdict.outcome is None else {"rateLimit": rate_limit(verdict.outcome)}
    return {**said, **verdict.entry.about(), **left}
