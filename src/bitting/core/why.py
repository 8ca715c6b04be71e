"""Why a principal can, or can't, see one property of one record: what each grant of its roles says to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bitting.core.conditions import bind, in_words
from bitting.core.evaluate import Facts, holds, is_assigned
from bitting.core.predicates import mentions_user
from bitting.core.reach import Reach
from bitting.core.roles import EVERYTHING, Grant, Role, Selection, chosen, selects
from bitting.core.schema import Dataset, Property
from bitting.core.wording import Said, joined, said


@dataclass(frozen=True, slots=True)
class GrantSays:
    """One grant over the record's dataset: `grant` is its place in the role, from 0."""

    role: int
    grant: int
    allows: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Why:
    """Whether a record, or a property of it, is seen; what each grant says; and the whole in a sentence."""

    allowed: bool
    grants: tuple[GrantSays, ...]
    words: str


DELETED = said("something that was deleted")
DELETED_OR_HIDDEN = said("something that was deleted, or that your own role hides")


def why_seen(reach: Reach, record: Facts, prop: Property | None, gone: str = DELETED) -> Why:
    """Why a principal sees, or doesn't see, a record's property (None: anything of the record).

    Args:
        reach: the principal's, over the record's dataset, as far as it exists for whoever asks.
        record: the record as it is stored.
        prop: one of the dataset's properties.
        gone: what a condition names that the dataset doesn't have.
    """
    what = said("the record") if prop is None else f"'{prop.name}'"
    if not reach.bound:
        return Why(True, (), said("Yes: no role bounds this key, so it sees %(what)s.", what=what))
    grants = tuple(says for role in reach.bound for says in _role_says(reach, role, record, prop, gone))
    silent = [role.id for role in reach.bound if not any(one.allows for one in grants if one.role == role.id)]
    if silent:
        roles = joined(_AND, [said("role %(role)d", role=role) for role in dict.fromkeys(silent)])
        words = said("No: no grant of %(roles)s shows %(what)s of this record.", roles=roles, what=what)
        return Why(False, grants, words)
    if prop is None and not reach.exists(record):
        return Why(False, grants, _NOTHING_OF_BOTH)
    by = joined(
        _AND,
        [said("grant %(grant)d of role %(role)d", grant=one.grant, role=one.role) for one in _first_of_each(grants)],
    )
    if len(reach.bound) == 1:
        return Why(True, grants, said("Yes: %(grants)s shows %(what)s.", grants=by, what=what))
    return Why(True, grants, said("Yes: %(grants)s show %(what)s.", grants=by, what=what))


_AND = said(" and ")
_NOTHING_OF_BOTH = said("No: both roles show something of the record, but no property that the other shows.")


def _first_of_each(grants: tuple[GrantSays, ...]) -> Iterator[GrantSays]:
    seen: set[int] = set()
    for one in grants:
        if one.allows and one.role not in seen:
            seen.add(one.role)
            yield one


def _role_says(reach: Reach, role: Role, record: Facts, prop: Property | None, gone: str) -> Iterator[GrantSays]:
    for place, grant in enumerate(role.grants):
        if grant.dataset == reach.dataset.id:
            reason = _refusal(reach, grant, record, prop, gone)
            yield GrantSays(role.id, place, reason is None, reason or said("It shows it."))


def _refusal(reach: Reach, grant: Grant, record: Facts, prop: Property | None, gone: str) -> Said | None:
    """What keeps a grant from showing it; None: nothing does."""
    dataset = reach.dataset
    if not selects(grant.states, record.state):
        state = dataset.states_by_id[record.state].name
        states = _states(grant.states, dataset)
        return said("It is for records that are %(states)s; this one is %(state)s.", states=states, state=state)
    if prop is not None and not selects(grant.view, prop.id):
        return said("It doesn't show '%(name)s'.", name=prop.name)
    if prop is None and not chosen(grant.view, dataset.properties_by_id):
        return said("It shows no property.")
    if grant.assigned_only and not reach.has_user:
        return said("It is for assigned records only, and this key belongs to no user.")
    if grant.assigned_only and not is_assigned(record):
        return said("It is for assigned records only, and the key's owner is neither the author nor named in this one.")
    return None if grant.where is None else _unmet(reach, grant, record, gone)


def _unmet(reach: Reach, grant: Grant, record: Facts, gone: str) -> Said | None:
    condition = None if grant.where is None else bind(grant.where, reach.dataset)
    if condition is None:
        return said("Its condition names %(gone)s, so it opens nothing.", gone=gone)
    if mentions_user(condition) and not reach.has_user:
        return said("Its condition asks for the key's owner, and this key belongs to no user.")
    if holds(condition, record):
        return None
    return said("Its condition isn't met: %(clause)s.", clause=in_words(condition, reach.dataset))


def _states(states: Selection, dataset: Dataset) -> str:
    names = [state.name for state in dataset.states if states == EVERYTHING or state.id in states]
    return joined(said(" or "), names) if names else said("in states that were deleted")
