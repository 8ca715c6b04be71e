"""Logging in and out: who is let in, for how long, and what ends a session."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pytest

from bitting.backend import Backend, Context
from bitting.core.authority import Access, UserType
from bitting.core.decisions import Code
from bitting.core.errors import NotFound, Refused, Unavailable
from bitting.core.ids import is_id
from bitting.core.limits import RateLimit
from bitting.core.principal import Kind, operator
from bitting.core.tokens import digest
from bitting.sessions import tries
from bitting.sessions.models import TOKEN_LENGTH
from bitting.sessions.service import (
    Begun,
    Choice,
    Session,
    Turned,
    choose,
    device_cookie,
    find_session,
    list_sessions,
    log_in,
    log_out,
    look_at_link,
    make_link,
    redeem_link,
)
from bitting.store.engine import Store
from bitting.store.migrate import migrate
from bitting.store.tables import metadata
from bitting.users.service import change_user, delete_user, list_users
from bitting.verify import passwords
from bitting.verify.limits import open_limiter
from bitting.workspaces.service import delete_workspace
from tests.support.api import AUDIT_SECRET, Api, Workspace, running_api
from tests.support.people import PASSWORD, Person, asking, audit_of, person, refusals_of
from tests.support.races import at_once

MINUTE, DAY = 60_000_000, 86_400_000_000


def test_the_right_password_begins_a_session(workspace: Workspace) -> None:
    """Of the user, with all that the user may do, and a token that finds it again."""
    owner = person(workspace)
    begun = owner.log_in()
    session = begun.session
    assert is_id("ses", session.id)
    assert (len(begun.token), session.workspace_name, session.language) == (TOKEN_LENGTH, "Test", None)
    principal = session.principal
    assert (principal.kind, principal.access, principal.user_type) == (Kind.SESSION, Access.FULL, UserType.OWNER)
    assert (principal.workspace, principal.user_id, principal.actor) == (workspace.id, owner.id, owner.id)
    assert owner.finds(begun) == session


def test_the_letter_case_of_the_address_is_nothing(workspace: Workspace) -> None:
    """As everywhere."""
    owner = person(workspace)
    assert isinstance(owner.try_to_log_in(email=owner.email.upper()), Begun)


def test_a_role_binds_the_session(workspace: Workspace) -> None:
    """The user's own."""
    workspace.dataset(total="integer")
    role = workspace.role({"dataset": "orders", "states": ["new"], "view": ["total"]})
    (bound,) = person(workspace, "administrator", role).log_in().session.principal.roles
    assert bound.id == role
    assert len(bound.grants) == 1


def test_the_plan_does_not_matter(api: Api) -> None:
    """It includes keys or not; people come in."""
    person(api.workspace(plan="free")).log_in()


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (None, "not the password"), (None, ""), (None, "x" * 5000), (None, "\ud800"), ("nobody@example.com", PASSWORD),
        ("", PASSWORD), ("a\0b@example.com", PASSWORD), ("\ud800@example.com", PASSWORD), ("x" * 5000, PASSWORD),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_one_answer(workspace: Workspace, email: str | None, password: str) -> None:
    """Whatever it is."""
    owner = person(workspace)
    assert owner.try_to_log_in(password, email=owner.email if email is None else email) == Turned("wrong")


def test_who_is_disabled_or_has_no_password_is_not_let_in(workspace: Workspace) -> None:
    """With the same answer."""
    disabled = person(workspace, "user", enabled=False)
    invited = person(workspace, "user", password_hash=None)
    for one in (disabled, invited):
        assert one.try_to_log_in() == Turned("wrong")


class Counting:
    """Counts how often a password is hashed to be compared."""

    def __init__(self, hasher: Any) -> None:
        self._hasher, self.verified = hasher, 0

    def verify(self, *given: Any) -> bool:
        self.verified += 1
        verified: bool = self._hasher.verify(*given)
        return verified

    def hash(self, text: str) -> str:
        hashed: str = self._hasher.hash(text)
        return hashed


def test_an_address_that_nobody_has_costs_as_much_work(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash, and what is written of a known one is written after the answer."""
    owner, invited = person(workspace), person(workspace, "user", password_hash=None)
    disabled = person(workspace, "user", enabled=False)
    hasher = Counting(passwords._HASHER)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    writes: list[str] = []
    asked: list[object] = []
    backend = workspace.api.backend
    monkeypatch.setattr(backend.errands, "ask", asked.append)
    backend.store.observers.append(lambda kind, _seconds: writes.append(kind))
    spent = []
    for email in (owner.email, invited.email, disabled.email, "nobody@example.com"):
        hasher.verified = 0
        writes.clear()
        assert owner.try_to_log_in("not the password", email=email) == Turned("wrong")
        spent.append((hasher.verified, writes.count("write")))
    backend.store.observers.pop()
    assert spent == [(1, 0)] * 4
    assert len(asked) == 3


def test_tokens_and_passwords_are_kept_nowhere_and_shown_nowhere(workspace: Workspace) -> None:
    """Of the token there is the SHA-256 alone; no repr has it, nor what is derived from it."""
    owner = person(workspace)
    begun = owner.log_in()
    session = begun.session
    with workspace.api.backend.store.read() as connection:
        rows = [str(row) for table in metadata.sorted_tables for row in connection.execute(table.select())]
    assert not [row for row in rows if begun.token in row or session.csrf in row or PASSWORD in row]
    assert [row for row in rows if str(digest(begun.token)) in row]
    for shown in (repr(begun), repr(session), json.dumps(audit_of(workspace))):
        assert begun.token not in shown
        assert session.csrf not in shown


def test_the_forms_token_is_the_sessions_own(workspace: Workspace) -> None:
    """The same each time it is found, and another in another session."""
    owner = person(workspace)
    one, other = owner.log_in(), owner.log_in()
    found = owner.finds(one)
    assert found is not None
    assert found.csrf == one.session.csrf != other.session.csrf
    assert one.token != other.token
    assert one.token not in one.session.csrf


@pytest.mark.parametrize("token", ["", "x", "A" * TOKEN_LENGTH, "\ud800" * TOKEN_LENGTH, "A" * 100_000])
def test_a_token_that_is_none_finds_nothing(workspace: Workspace, token: str) -> None:
    """Whatever its shape."""
    assert find_session(workspace.api.backend, token) is None


# --- the trail -----------------------------------------------------------------------------------


def test_coming_and_going_stand_in_the_trail(workspace: Workspace) -> None:
    """Who, when, from where."""
    owner = person(workspace)
    begun = owner.log_in()
    log_out(workspace.api.backend, begun.session, "req_out")
    lines = [(line["actor"], line["action"], line["target"], line["requestId"]) for line in audit_of(workspace)]
    ident = begun.session.id
    assert lines == [(owner.id, "session.create", ident, "req_test"), (owner.id, "session.end", ident, "req_out")]
    assert audit_of(workspace)[0]["after"] == {"address": owner.address, "agent": "Firefox, Linux"}


def test_a_wrong_password_stands_in_the_log_of_refusals_of_its_workspace(workspace: Workspace) -> None:
    """By the user that was tried; an address that nobody has stands nowhere."""
    owner, disabled = person(workspace), person(workspace, "user", enabled=False)
    owner.try_to_log_in("not the password")
    disabled.try_to_log_in()
    owner.try_to_log_in(email="nobody@example.com")
    lines = refusals_of(workspace)
    assert [(line["actor"], line["action"]) for line in lines] == [
        (owner.id, "session.refused"),
        (disabled.id, "session.refused"),
    ]
    assert "not the password" not in json.dumps(lines)
    assert audit_of(workspace) == []


# --- what ends a session -------------------------------------------------------------------------


def test_a_session_ends_when_it_is_not_used_for_a_week(workspace: Workspace) -> None:
    """Each use within it puts that off."""
    owner, clock = person(workspace), workspace.api.clock
    begun = owner.log_in()
    for _ in range(3):
        clock.ahead += 7 * DAY - MINUTE
        assert owner.finds(begun)
        workspace.api.backend.errands.settle()
    clock.ahead += 7 * DAY
    assert owner.finds(begun) is None


def test_a_session_ends_after_thirty_days_however_it_is_used(workspace: Workspace) -> None:
    """Log in again once a month."""
    owner, clock = person(workspace), workspace.api.clock
    begun = owner.log_in()
    for _ in range(29):
        clock.ahead += DAY
        assert owner.finds(begun)
        workspace.api.backend.errands.settle()
    clock.ahead += DAY
    assert owner.finds(begun) is None


def test_that_a_session_is_used_is_written_once_a_minute(workspace: Workspace) -> None:
    """Pages cost no writes."""
    owner, api = person(workspace), workspace.api
    begun = owner.log_in()
    seen = []
    for ahead in (0, 0, MINUTE, 0, 0):
        api.clock.ahead += ahead
        owner.finds(begun)
        api.backend.errands.settle()
        (line,) = list_sessions(api.backend, asking(begun))
        seen.append(line["lastSeenAt"])
    first, _, second, *_ = seen
    assert seen == [first, first, second, second, second]
    assert first < second


def test_what_has_ended_by_itself_is_cleaned_up_in_passing(workspace: Workspace) -> None:
    """The next log in of the workspace removes the rows."""
    owner = person(workspace)
    owner.log_in()
    workspace.api.clock.ahead += 8 * DAY
    owner.log_in()
    table = metadata.tables["sessions"]
    with workspace.api.backend.store.read() as connection:
        assert len(connection.execute(table.select().where(table.c.workspace_id == workspace.id)).all()) == 1


def ended_by_log_out(owner: Person, session: Session) -> None:
    log_out(owner.workspace.api.backend, session, None)


def ended_by_disabling(owner: Person, session: Session) -> None:
    change_user(owner.workspace.api.backend, Context(operator(owner.workspace.id)), owner.id, {"enabled": False})


def ended_by_deleting(owner: Person, session: Session) -> None:
    delete_user(owner.workspace.api.backend, Context(operator(owner.workspace.id)), owner.id)


def ended_by_deleting_the_workspace(owner: Person, session: Session) -> None:
    delete_workspace(owner.workspace.api.backend, Context(operator(owner.workspace.id)))


@pytest.mark.parametrize(
    "ending", [ended_by_log_out, ended_by_disabling, ended_by_deleting, ended_by_deleting_the_workspace]
)
def test_a_session_ends_at_once_for_requests_under_way_too(workspace: Workspace, ending: Any) -> None:
    """Its token finds nothing, and a change that was asked for before is refused in its own transaction."""
    person(workspace)  # a workspace keeps an owner
    owner = person(workspace)
    begun = owner.log_in()
    ending(owner, begun.session)
    assert owner.finds(begun) is None
    if ending is ended_by_deleting_the_workspace:
        return
    with pytest.raises(Refused) as refused, workspace.api.backend.change(asking(begun)):
        pass
    assert refused.value.code is Code.INVALID_KEY
    assert "log in again" in refused.value.detail


def test_who_is_enabled_again_has_to_log_in_again(workspace: Workspace) -> None:
    """The session that ended stays so."""
    person(workspace)
    owner = person(workspace)
    begun = owner.log_in()
    for enabled in (False, True):
        context = Context(operator(workspace.id))
        change_user(workspace.api.backend, context, owner.id, {"enabled": enabled})
    assert owner.finds(begun) is None
    owner.log_in()


def test_a_session_has_the_authority_that_its_user_has_now(workspace: Workspace) -> None:
    """Found again, and within a change that was asked for before."""
    person(workspace)
    owner = person(workspace)
    begun = owner.log_in()
    backend = workspace.api.backend
    change_user(backend, Context(operator(workspace.id)), owner.id, {"userType": "user"})
    found = owner.finds(begun)
    assert found is not None
    assert found.principal.user_type is UserType.USER
    with pytest.raises(Refused), backend.read_afresh(asking(begun)) as reading:
        assert reading.principal.user_type is UserType.USER
        list_users(backend, replace(asking(begun), principal=reading.principal), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [{"enabled": False}, {"userType": "user"}, {"password": "quite another one"}])
def test_what_changes_while_a_password_is_proven_counts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    """It takes its time: no session begins for who was disabled, or given another password or authority, meanwhile."""
    person(workspace)
    owner = person(workspace)
    backend, context = workspace.api.backend, Context(operator(workspace.id))

    def proves(stored: str | None, password: str) -> bool:
        proven = passwords.check_password(stored, password)
        if "password" in given:
            token = make_link(backend, context, owner.id, "reset")
            redeem_link(backend, token, given["password"], address=None, agent=None, request_id=None)
        else:
            change_user(backend, context, owner.id, given)
        return proven

    monkeypatch.setattr("bitting.sessions.entering.check_password", proves)
    assert owner.try_to_log_in() == Turned("wrong")


def test_logging_out_twice_is_logging_out(workspace: Workspace) -> None:
    """It stands in the trail once; and the user's other sessions go on."""
    owner = person(workspace)
    one, other = owner.log_in(), owner.log_in()
    for _ in range(2):
        log_out(workspace.api.backend, one.session, None)
    assert [line["action"] for line in audit_of(workspace)].count("session.end") == 1
    assert owner.finds(other)


def test_a_change_under_way_is_done_before_log_out_or_refused_after_it(workspace: Workspace) -> None:
    """Never both: the workspace's turn puts them into an order, which the trail keeps."""
    owner = person(workspace)
    begun = owner.log_in()
    backend = workspace.api.backend

    def change() -> str:
        change_user(backend, asking(begun), owner.id, {"name": "Renamed"})
        return "changed"

    changed, _ = at_once([change, lambda: log_out(backend, begun.session, None)])
    actions = [line["action"] for line in audit_of(workspace)]
    if changed == "changed":
        assert actions == ["session.create", "user.change", "session.end"]
    else:
        assert isinstance(changed, Refused)
        assert actions == ["session.create", "session.end"]


# --- several workspaces --------------------------------------------------------------------------


@pytest.fixture
def two(api: Api) -> list[Person]:
    """One address and password in two workspaces."""
    first = person(api.workspace())
    return [first, person(api.workspace(), email=first.email.upper())]


def offered(people: list[Person]) -> Choice:
    choice = people[0].try_to_log_in()
    assert isinstance(choice, Choice)
    return choice


def chosen(choice: Choice, workspace: str, api: Api) -> Begun | Turned:
    return choose(api.backend, choice.token, workspace, address=None, agent=None, request_id=None)


def test_one_password_in_several_workspaces_is_a_choice(two: list[Person], api: Api) -> None:
    """Which is made with a token, once; the password isn't sent again."""
    choice = offered(two)
    assert {ident for ident, _ in choice.workspaces} == {one.workspace.id for one in two}
    assert choice.token not in repr(choice)
    begun = chosen(choice, two[1].workspace.id, api)
    assert isinstance(begun, Begun)
    assert begun.session.principal.user_id == two[1].id
    for workspace in (one.workspace.id for one in two):
        assert chosen(choice, workspace, api) == Turned("wrong")


def test_a_choice_is_between_the_workspaces_whose_password_it_was(two: list[Person], api: Api) -> None:
    """The others are not told, nor can be chosen."""
    third = person(api.workspace(), email=two[0].email, password_hash=passwords.hash_password("quite another one"))
    choice = offered(two)
    assert third.workspace.id not in {ident for ident, _ in choice.workspaces}
    for workspace in (third.workspace.id, "wsp_unknown", ""):
        assert chosen(choice, workspace, api) == Turned("wrong")
    assert isinstance(third.try_to_log_in("quite another one"), Begun)


def test_a_choice_lasts_five_minutes(two: list[Person], api: Api) -> None:
    """And not longer."""
    choice, late = offered(two), offered([two[1]])
    assert choice.token != late.token
    api.clock.ahead += 5 * MINUTE
    assert chosen(late, two[0].workspace.id, api) == Turned("wrong")


def test_a_choice_dies_with_the_password_that_it_came_from(two: list[Person], api: Api) -> None:
    """And with the user's being enabled."""
    choice = offered(two)
    with api.backend.change(Context(operator(two[0].workspace.id))) as change:
        change.links.set_password(two[0].id, passwords.hash_password("quite another one"))
    assert chosen(choice, two[0].workspace.id, api) == Turned("wrong")
    person(two[1].workspace)
    ended_by_disabling(two[1], None)  # type: ignore[arg-type]
    assert chosen(choice, two[1].workspace.id, api) == Turned("wrong")


def test_of_many_who_choose_at_once_with_one_token_one_is_let_in(two: list[Person], api: Api) -> None:
    """Whichever workspaces they choose."""
    choice = offered(two)
    jobs = [partial(chosen, choice, two[place % 2].workspace.id, api) for place in range(4)]
    came = at_once(jobs)
    assert sum(isinstance(one, Begun) for one in came) == 1
    assert [one for one in came if not isinstance(one, Begun)] == [Turned("wrong")] * 3


def test_a_choice_is_no_link_and_a_link_no_choice(two: list[Person], api: Api) -> None:
    """Each token does what it was made for alone."""
    choice = offered(two)
    assert look_at_link(api.backend, choice.token) is None
    with pytest.raises(NotFound):
        redeem_link(api.backend, choice.token, "quite another one", address=None, agent=None, request_id=None)
    workspace = two[0].workspace.id
    token = make_link(api.backend, Context(operator(workspace)), two[0].id, "reset")
    assert choose(api.backend, token, workspace, address=None, agent=None, request_id=None) == Turned("wrong")
    assert look_at_link(api.backend, token)


# --- how often -----------------------------------------------------------------------------------


def test_after_ten_tries_an_address_is_refused_even_with_the_right_password(workspace: Workspace) -> None:
    """From wherever they come; somebody else is let in, and after a while so is this one."""
    owner, other = person(workspace), person(workspace, "user")
    for place in range(10):
        assert owner.try_to_log_in("not the password", address=f"192.0.2.{place}") == Turned("wrong")
    turned = owner.try_to_log_in()
    assert isinstance(turned, Turned)
    assert turned.reason == "wait"
    assert 0 < turned.retry_after <= 900
    other.log_in()
    workspace.api.clock.ahead += turned.retry_after * 1_000_000
    owner.log_in()


def test_an_unknown_address_is_refused_as_soon(workspace: Workspace) -> None:
    """Or the count would tell who has a user."""
    owner = person(workspace)
    email = f"nobody.{owner.email}"
    came = [owner.try_to_log_in(email=email, address=f"192.0.2.{place}") for place in range(11)]
    assert came[:10] == [Turned("wrong")] * 10
    assert isinstance(came[10], Turned)
    assert came[10].reason == "wait"


def test_sixty_tries_may_come_from_one_network(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever addresses they try; of IPv6 a network of 2^64 addresses counts as one."""
    owner = person(workspace)
    monkeypatch.setattr("bitting.sessions.entering.check_password", lambda *_: False)
    network = owner.id[-4:].encode().hex()
    reasons = [
        log_in(
            workspace.api.backend, f"{place}.{owner.email}", "not the password",
            address=f"2001:db8:{network[:4]}:{network[4:]}::{place:x}", agent=None, request_id=None,
        )
        for place in range(61)
    ]  # fmt: skip
    assert reasons[:60] == [Turned("wrong")] * 60
    assert isinstance(reasons[60], Turned)
    assert reasons[60].reason == "wait"
    assert owner.try_to_log_in(address=f"2001:db9:{network[:4]}:{network[4:]}::") == Turned("wrong")


def test_many_small_networks_of_one_large_one_count_together(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has a /48 of IPv6 has 65,536 networks of the usual size."""
    owner = person(workspace)
    monkeypatch.setattr("bitting.sessions.entering.check_password", lambda *_: False)
    monkeypatch.setattr(tries, "_LOG_IN_NETWORK", (RateLimit("login", 60, 900), RateLimit("login-wide", 3, 900)))
    site = f"2001:db8:{owner.id[-2:].encode().hex()}"
    came = [owner.try_to_log_in(email=f"{n}.{owner.email}", address=f"{site}:{n:x}::1") for n in range(4)]
    assert [one.reason for one in came if isinstance(one, Turned)] == ["wrong", "wrong", "wrong", "wait"]


def test_who_finds_no_place_to_be_tried_loses_no_try(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent away because too many log in, they have all their tries when there is a place."""
    owner = person(workspace)
    monkeypatch.setattr(tries, "_WAITING", BoundedSemaphore(1))
    with tries.proving():
        for _ in range(11):
            with pytest.raises(Unavailable):
                owner.try_to_log_in("not the password")
    owner.log_in()


# --- browsers that are known ---------------------------------------------------------------------


def known(owner: Person) -> str:
    """The cookie of a browser in which somebody has logged in."""
    return device_cookie(owner.workspace.api.backend, owner.id, None)


def test_strangers_lock_nobody_out_of_a_browser_that_is_known(workspace: Workspace) -> None:
    """Whether they use up the tries of the address or those of the network that both are in."""
    owner = person(workspace)
    cookie = known(owner)
    for _ in range(11):
        owner.try_to_log_in("not the password")
    stranger = owner.try_to_log_in()
    assert isinstance(stranger, Turned)
    assert stranger.reason == "wait"
    assert isinstance(owner.try_to_log_in(device=cookie), Begun)


def test_browsers_that_are_known_have_ten_tries_together(workspace: Workspace) -> None:
    """When those of the address are used up: however many such browsers there are, they guess no more than that."""
    owner = person(workspace)
    came = [owner.try_to_log_in("not the password", device=known(owner)) for _ in range(21)]
    assert [one.reason for one in came if isinstance(one, Turned)] == ["wrong"] * 20 + ["wait"]
    last = owner.try_to_log_in(device=known(owner))
    assert isinstance(last, Turned)
    assert 0 < last.retry_after <= 90, "as soon as either has one again"


def test_sixty_tries_of_known_browsers_may_come_from_one_network(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many users somebody makes for themselves; and these take no tries of those who are strangers."""
    monkeypatch.setattr(tries, "_KNOWN_NETWORK", (RateLimit("known", 3, 900), RateLimit("known-wide", 240, 900)))
    monkeypatch.setattr(tries, "_LOG_IN", RateLimit("login", 2, 900))
    first, second, third = person(workspace), person(workspace), person(workspace)
    came = []
    for one in (first, second):
        came += [one.try_to_log_in("not the password", address=first.address, device=known(one)) for _ in range(4)]
    assert [one.reason for one in came if isinstance(one, Turned)] == ["wrong"] * 7 + ["wait"]
    assert isinstance(third.try_to_log_in(address=first.address), Begun)


def test_a_browser_is_known_for_the_user_of_its_cookie_alone(workspace: Workspace) -> None:
    """Whoever has an account here is no less a stranger to all others."""
    owner, other = person(workspace), person(workspace)
    for _ in range(10):
        owner.try_to_log_in("not the password")
    for cookie in (known(other), "", "x", known(owner)[:-1], known(owner).swapcase()):
        turned = owner.try_to_log_in(device=cookie)
        assert isinstance(turned, Turned)
        assert turned.reason == "wait"


def test_who_adds_anothers_address_to_their_workspace_guesses_no_more_passwords(workspace: Workspace) -> None:
    """Links can be redeemed there as often as one likes, each in a new browser: these know the new user alone."""
    owner, other = person(workspace), workspace.api.workspace()
    theirs = person(other, email=owner.email, password_hash=passwords.hash_password("the thief's own password"))
    for _ in range(10):
        owner.try_to_log_in("not the password")
    guessed = [owner.try_to_log_in(device=known(theirs)) for _ in range(5)]
    assert guessed == [Turned("wrong")] * 5, "the owner's right password is not looked at"
    came = owner.try_to_log_in("the thief's own password", device=known(theirs))
    assert isinstance(came, Begun)
    assert came.session.principal.workspace == other.id
    assert isinstance(owner.try_to_log_in(device=known(owner)), Begun)


def test_strangers_who_wait_take_no_place_of_who_is_known(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many networks they come from."""
    owner = person(workspace)
    monkeypatch.setattr(tries, "_WAITING", BoundedSemaphore(1))
    with tries.proving():
        assert isinstance(owner.try_to_log_in(device=known(owner)), Begun)


def test_many_tries_at_once_are_no_way_around_the_count(workspace: Workspace) -> None:
    """Each counts before its password is looked at."""
    owner = person(workspace)
    came = at_once([lambda: owner.try_to_log_in("not the password")] * 16)
    assert sorted(one.reason for one in came if isinstance(one, Turned)) == ["wait"] * 6 + ["wrong"] * 10


def test_few_passwords_are_proven_at_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MiB: who would have to wait too long is told to come back, and no try is forgotten."""
    owner = person(workspace)
    monkeypatch.setattr(tries, "_AT_ONCE", BoundedSemaphore(1))
    monkeypatch.setattr(tries, "_WAITING_SECONDS", 0.01)
    with tries.proving(), pytest.raises(Unavailable):
        owner.try_to_log_in()
    owner.log_in()


def test_few_wait_for_their_password_to_be_proven(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits holds a thread: past so many the next is told to come back at once, and the API still answers."""
    owner = person(workspace)
    monkeypatch.setattr(tries, "_WAITING", BoundedSemaphore(1))
    with tries.proving(), pytest.raises(Unavailable):
        owner.try_to_log_in()
    owner.log_in()


def test_where_there_is_no_workspace_nobody_is_let_in(tmp_path: Path) -> None:
    """And nothing fails, though nothing can be counted."""
    store = Store(f"sqlite:///{tmp_path}/bitting.db")
    migrate(store)
    backend = Backend(store, audit_secret=AUDIT_SECRET, plans={})
    came = [
        log_in(backend, "nobody@example.com", "not the password", address=None, agent=None, request_id=None)
        for _ in range(11)
    ]
    backend.close()
    assert came == [Turned("wrong")] * 11


def test_processes_that_share_limits_count_tries_together(postgres_url: str) -> None:
    """By leases in the database, as they count calls; where Redis does it, by the same way in."""
    with running_api(postgres_url, sharing="leased") as api:
        owner = person(api.workspace())
        limiter = open_limiter(api.backend.store, "leased")
        other = Backend(api.backend.store, audit_secret=AUDIT_SECRET, plans={}, clock=api.clock, limiter=limiter)
        for place in range(10):
            backend = (api.backend, other)[place % 2]
            tried = log_in(backend, owner.email, "not the password", address=None, agent=None, request_id=None)
            assert tried == Turned("wrong")
        for backend in (api.backend, other):
            turned = log_in(backend, owner.email, PASSWORD, address=None, agent=None, request_id=None)
            assert isinstance(turned, Turned)
            assert turned.reason == "wait"
        limiter.close()
