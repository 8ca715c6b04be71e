"""Invitations and reset links: who may make them, what they open, and what they die of."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from bitting.backend import Context
from bitting.core.errors import Conflict, NotFound, Refused
from bitting.core.ids import new_id
from bitting.core.limits import RateLimit
from bitting.core.principal import Kind, Principal, operator
from bitting.core.problems import InvalidInput
from bitting.core.tokens import digest
from bitting.sessions import links, mail, tries
from bitting.sessions.links import link_url
from bitting.sessions.models import TOKEN_LENGTH
from bitting.sessions.service import (
    Begun,
    Choice,
    LinkPurpose,
    LinkView,
    MailNotSent,
    TooManyMails,
    Turned,
    ask_reset,
    change_password,
    look_at_link,
    make_link,
    redeem_link,
    send_link,
)
from bitting.settings import Settings
from bitting.store.tables import metadata
from bitting.users.service import change_user, delete_user
from bitting.verify.passwords import hash_password
from bitting.workspaces.service import delete_workspace
from tests.support.api import Api, Workspace
from tests.support.mail import Sink, mail_server, text_of
from tests.support.people import PASSWORD, Person, asking, audit_of, person, refusals_of
from tests.support.races import at_once

HOUR = 3_600_000_000
NEW = "quite another password"


@pytest.fixture
def owner(workspace: Workspace) -> Person:
    """Somebody who may make links for everybody else."""
    return person(workspace)


@pytest.fixture
def invited(workspace: Workspace) -> Person:
    """Somebody without a password yet."""
    return person(workspace, "user", password_hash=None)


def link(caller: Person, target: Person, purpose: LinkPurpose = "reset") -> str:
    """A link's token, made by somebody who is logged in."""
    return make_link(caller.workspace.api.backend, asking(caller.log_in()), target.id, purpose)


def operators(target: Person, purpose: LinkPurpose = "reset") -> str:
    context = Context(operator(target.workspace.id))
    return make_link(target.workspace.api.backend, context, target.id, purpose)


def redeem(api: Api, token: str, password: str = NEW) -> Begun:
    return redeem_link(api.backend, token, password, address="192.0.2.9", agent=None, request_id="req_link")


def good(api: Api, token: str) -> bool:
    """Whether a link opens something; looking and redeeming must agree about it."""
    if look_at_link(api.backend, token) is not None:
        return True
    with pytest.raises(NotFound):
        redeem(api, token)
    return False


# --- what a link does ----------------------------------------------------------------------------


def test_an_invitation_lets_somebody_choose_a_password_and_in(api: Api, owner: Person, invited: Person) -> None:
    """It says whose it is; from then on the password does it."""
    token = link(owner, invited, "invitation")
    assert len(token) == TOKEN_LENGTH
    assert look_at_link(api.backend, token) == LinkView("invitation", "Olive", invited.email, "Test")
    begun = redeem(api, token)
    assert begun.session.principal.user_id == invited.id
    assert invited.finds(begun)
    invited.log_in(NEW)


def test_a_reset_link_replaces_the_password_and_ends_every_session(api: Api, owner: Person) -> None:
    """Whoever knew the old password is out."""
    target = person(owner.workspace, "administrator")
    before = target.log_in()
    begun = redeem(api, link(owner, target))
    assert target.finds(before) is None
    assert target.finds(begun)
    assert target.try_to_log_in() == Turned("wrong")
    target.log_in(NEW)


def test_looking_does_not_use_a_link_up_and_using_does(api: Api, owner: Person, invited: Person) -> None:
    """Mail programs look at links before people do."""
    token = link(owner, invited)
    for _ in range(3):
        assert good(api, token)
    redeem(api, token)
    assert not good(api, token)


def test_a_password_that_is_refused_leaves_the_link_good(api: Api, owner: Person, invited: Person) -> None:
    """One more try with a better one."""
    token = link(owner, invited)
    with pytest.raises(InvalidInput) as error:
        redeem(api, token, "tooshort")
    assert [flaw.path for flaw in error.value.flaws] == ["password"]
    assert "tooshort" not in str(error.value)
    redeem(api, token)


@pytest.mark.parametrize("token", ["", "x", "A" * TOKEN_LENGTH, "\ud800" * TOKEN_LENGTH, "A" * 100_000])
def test_a_token_that_is_none_opens_nothing(api: Api, token: str) -> None:
    """Whatever its shape: one answer."""
    assert not good(api, token)


def test_a_link_used_twice_at_once_is_used_once(api: Api, owner: Person, invited: Person) -> None:
    """One password is set; the others are told that the link is no good."""
    token = link(owner, invited)
    came = at_once([partial(redeem, api, token, f"{NEW} {place}") for place in range(4)])
    (winner,) = [place for place, one in enumerate(came) if isinstance(one, Begun)]
    assert all(isinstance(one, NotFound) for place, one in enumerate(came) if place != winner)
    invited.log_in(f"{NEW} {winner}")


def test_what_happens_to_a_link_while_a_password_is_hashed_counts(
    api: Api, owner: Person, invited: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes its time: a link that was replaced meanwhile sets nothing."""
    token = link(owner, invited)
    replaced: list[str] = []

    def hashes(password: str) -> str:
        replaced.append(operators(invited))
        return hash_password(password)

    monkeypatch.setattr("bitting.sessions.links.hash_password", hashes)
    with pytest.raises(NotFound):
        redeem(api, token)
    assert invited.try_to_log_in(NEW) == Turned("wrong")
    assert good(api, replaced[0])


def test_a_session_of_before_ends_though_it_began_at_the_same_time(api: Api, owner: Person) -> None:
    """Who logs in while a link is used is in with the new password or not at all."""
    target = person(owner.workspace)
    token = link(owner, target)
    jobs: list[Callable[[], Begun | Choice | Turned]] = [lambda: redeem(api, token), target.try_to_log_in]
    begun, came = at_once(jobs)
    assert isinstance(begun, Begun)
    assert target.finds(begun)
    assert not isinstance(came, Begun) or target.finds(came) is None


def test_a_token_is_neither_kept_nor_in_the_trail(api: Api, owner: Person, invited: Person) -> None:
    """Its SHA-256 is, till it is used; and who made it for whom, and that it set a password."""
    token = link(owner, invited, "invitation")
    with api.backend.store.read() as connection:
        rows = [str(row) for table in metadata.sorted_tables for row in connection.execute(table.select())]
    assert not [row for row in rows if token in row]
    assert [row for row in rows if str(digest(token)) in row]
    redeem(api, token)
    lines = audit_of(owner.workspace)
    told = [(line["actor"], line["action"], line["target"]) for line in lines if line["action"].startswith("user.")]
    assert told == [(owner.id, "user.invite", invited.id), (invited.id, "user.password", invited.id)]
    assert [line["after"] for line in lines if line["action"] == "user.password"] == [{"by": "invitation"}]
    assert token not in json.dumps(lines)
    assert NEW not in json.dumps(lines)


# --- what a link dies of -------------------------------------------------------------------------


@pytest.mark.parametrize(("purpose", "lasts"), [("invitation", 72 * HOUR), ("reset", HOUR)])
def test_a_link_expires(api: Api, owner: Person, invited: Person, purpose: LinkPurpose, lasts: int) -> None:
    """An invitation after three days, a reset link after an hour."""
    token = link(owner, invited, purpose)
    api.clock.ahead += lasts - HOUR // 10
    assert good(api, token)
    api.clock.ahead += HOUR // 10
    assert not good(api, token)


def test_the_operators_reset_link_lasts_a_day(api: Api, owner: Person) -> None:
    """It has to be carried to somebody."""
    token = operators(owner)
    api.clock.ahead += 23 * HOUR
    assert good(api, token)
    api.clock.ahead += HOUR
    assert not good(api, token)


def test_a_new_link_replaces_the_older_one_of_its_purpose(api: Api, owner: Person, invited: Person) -> None:
    """And the other purpose's not."""
    invitation, first, second = link(owner, invited, "invitation"), link(owner, invited), link(owner, invited)
    assert [good(api, token) for token in (invitation, first, second)] == [True, False, True]
    redeem(api, second)
    assert not good(api, invitation)


@pytest.mark.parametrize(
    "given",
    [{"email": "other@example.com"}, {"userType": "administrator"}, {"role": 1}, {"enabled": False}],
    ids=lambda given: next(iter(given)),
)
def test_a_link_dies_with_what_it_was_made_for(api: Api, owner: Person, invited: Person, given: dict[str, Any]) -> None:
    """Another address, or other authority than whoever made it may have given; even when it is put back."""
    owner.workspace.role()
    token, context = link(owner, invited), Context(operator(owner.workspace.id))
    change_user(api.backend, context, invited.id, {"name": "Renamed"})
    assert good(api, token)
    change_user(api.backend, context, invited.id, given)
    if "enabled" not in given:
        assert not good(api, token)
    before = {"email": invited.email, "userType": "user", "role": None, "enabled": True}
    change_user(api.backend, context, invited.id, {name: before[name] for name in given})
    assert not good(api, token)


def test_a_link_dies_with_its_user_and_its_workspace(api: Api, owner: Person, invited: Person) -> None:
    """As everything of theirs."""
    other = person(owner.workspace, "user")
    tokens = link(owner, invited), link(owner, other)
    context = Context(operator(owner.workspace.id))
    delete_user(api.backend, context, invited.id)
    assert [good(api, token) for token in tokens] == [False, True]
    delete_workspace(api.backend, context)
    assert not good(api, tokens[1])


# --- who may make one ----------------------------------------------------------------------------


def refused(caller: Principal, target: Person) -> str:
    with pytest.raises(Refused) as error:
        make_link(target.workspace.api.backend, Context(caller), target.id, "reset")
    assert error.value.code == "insufficient_permission"
    return error.value.detail


def test_whoever_could_create_the_user_may_make_the_link(owner: Person) -> None:
    """Administrators for all but owners; nobody for themselves, for they have the old password."""
    workspace = owner.workspace
    admin, plain = person(workspace, "administrator"), person(workspace, "user")
    for target in (plain, person(workspace, "administrator")):
        assert link(admin, target)
    assert link(owner, person(workspace))
    assert "owner" in refused(admin.log_in().session.principal, owner)
    refused(plain.log_in().session.principal, person(workspace, "user"))
    for one in (owner, admin):
        assert "old" in refused(one.log_in().session.principal, one)


def test_whoever_is_bound_by_a_role_receives_no_link(owner: Person, invited: Person) -> None:
    """Even for a user with that same role."""
    workspace = owner.workspace
    workspace.dataset(total="integer")
    role = workspace.role({"dataset": "orders", "states": "*", "view": "*"})
    bound = person(workspace, "administrator", role)
    for target in (invited, person(workspace, "user", role)):
        assert "bound by a role" in refused(bound.log_in().session.principal, target)


def test_no_key_makes_a_link(owner: Person, invited: Person) -> None:
    """Not an owner's either: a leaked key becomes no person."""
    found = owner.workspace.api.backend.authenticator.find(owner.workspace.owner.secret)
    assert found is not None
    caller = Principal(owner.workspace.id, Kind.KEY, found.key.user_type, key=found.key, credential=found.credential)
    assert "never with a key" in refused(caller, invited)


def test_to_who_may_make_none_every_user_is_the_same_refusal(owner: Person) -> None:
    """One that isn't there, too; to an administrator it isn't found, nor one of another workspace."""
    plain, stranger = person(owner.workspace, "user"), person(owner.workspace.api.workspace())
    nobody = replace(stranger, workspace=owner.workspace, id=new_id("usr"))
    session = plain.log_in().session.principal
    assert len({refused(session, target) for target in (owner, nobody, stranger)}) == 1
    for target in (nobody, stranger):
        with pytest.raises(NotFound):
            link(owner, target)


def test_who_is_disabled_gets_no_link_and_who_has_a_password_no_invitation(owner: Person) -> None:
    """An invitation lasts longer than a reset link may."""
    disabled, known = person(owner.workspace, "user", enabled=False), person(owner.workspace, "user")
    with pytest.raises(Conflict, match="disabled"):
        link(owner, disabled)
    with pytest.raises(Conflict, match="password already"):
        link(owner, known, "invitation")


def test_an_administrator_who_keeps_a_link_does_not_rise_with_its_user(api: Api, owner: Person) -> None:
    """Made for a plain user, it doesn't open the owner that this user has become."""
    admin, plain = person(owner.workspace, "administrator"), person(owner.workspace, "user")
    token = link(admin, plain)
    change_user(api.backend, asking(owner.log_in()), plain.id, {"userType": "owner"})
    assert not good(api, token)


# --- by mail -------------------------------------------------------------------------------------


def mailing(sink: Sink) -> Settings:
    return Settings(smtp_url=sink.url, mail_from="bitting@example.com", public_url="https://keys.example.com")


def tokens_in(text: str) -> list[str]:
    begins = "https://keys.example.com/console/link/"
    return [line.removeprefix(begins) for line in text.splitlines() if line.startswith(begins)]


def token_in(text: str) -> str:
    (token,) = tokens_in(text)
    return token


def settle(api: Api) -> None:
    """Until all mails that were asked for are sent."""
    api.backend.errands.settle()
    api.backend.mails.settle()


def test_a_link_is_mailed_and_shown_to_nobody_else(api: Api, owner: Person, invited: Person) -> None:
    """Without a mail server whoever made it is shown it, once."""
    context = asking(owner.log_in())
    with mail_server() as sink:
        assert send_link(api.backend, mailing(sink), context, invited.id, "invitation") is None
        mail = sink.next()
    assert mail["To"] == invited.email
    view = look_at_link(api.backend, token_in(text_of(mail)))
    assert view is not None
    assert view.purpose == "invitation"
    shown = send_link(api.backend, Settings(), context, invited.id, "reset")
    assert shown is not None
    assert shown.startswith("http://127.0.0.1:8000/console/link/")
    assert good(api, shown.rpartition("/")[2])


def test_a_mail_that_is_not_taken_is_said_so(api: Api, owner: Person, invited: Person) -> None:
    """Without the link."""
    with mail_server() as sink:
        sink.refusing = True
        with pytest.raises(MailNotSent) as error:
            send_link(api.backend, mailing(sink), asking(owner.log_in()), invited.id, "invitation")
    assert "link/" not in str(error.value)


def test_who_forgot_a_password_is_mailed_a_link_for_each_workspace(api: Api, owner: Person) -> None:
    """All in one mail; the one for this workspace lets into this one."""
    other = person(api.workspace(), "user", email=owner.email)
    with mail_server() as sink:
        ask_reset(api.backend, mailing(sink), owner.email.upper(), address="192.0.2.1")
        text = text_of(sink.next())
        settle(api)
        assert sink.mails.empty()
    tokens = tokens_in(text)
    assert text.splitlines().count('"Test":') == 2, "each says for which workspace it is"
    came = {redeem(api, token).session.principal.user_id for token in tokens}
    assert came == {owner.id, other.id}
    (line,) = [line for line in audit_of(owner.workspace) if line["action"] == "user.resetLink"]
    assert line["target"] == owner.id


def test_nothing_is_mailed_to_who_is_unknown_or_disabled(api: Api, owner: Person) -> None:
    """And the one who asks can't tell: the work is done after the answer."""
    disabled = person(owner.workspace, "user", enabled=False)
    with mail_server() as sink:
        for email in (disabled.email, f"nobody.{owner.email}", "a\0b", "\ud800", owner.email):
            ask_reset(api.backend, mailing(sink), email, address="192.0.2.2")
        assert sink.next()["To"] == owner.email
        settle(api)
        assert sink.mails.empty()


def note(seen: list[str], kind: str, _seconds: float) -> None:
    seen.append(kind)


def test_asking_does_the_same_whoever_is_asked_for(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One errand, and no look at who that is."""
    asked: list[object] = []
    monkeypatch.setattr(api.backend.errands, "ask", asked.append)
    work: list[list[str]] = []
    for email in (owner.email, f"nobody.{owner.email}"):
        seen: list[str] = []
        api.backend.store.observers.append(partial(note, seen))
        ask_reset(api.backend, mailing(Sink(port=1)), email, address="192.0.2.3")
        api.backend.store.observers.pop()
        work.append(seen)
    assert work[0] == work[1]
    assert len(asked) == 2


def test_nobody_is_flooded_with_mails(api: Api, owner: Person) -> None:
    """Five in an hour, whoever asks; then nothing, and the same answer."""
    with mail_server() as sink:
        for place in range(8):
            ask_reset(api.backend, mailing(sink), owner.email, address=f"198.51.100.{place}")
        settle(api)
        assert sink.mails.qsize() == 5


def test_who_is_invited_is_not_flooded_either(api: Api, owner: Person, invited: Person) -> None:
    """Five in an hour, whoever makes them; then nothing is made, so that the last link stays good."""
    context = asking(owner.log_in())
    with mail_server() as sink:
        for _ in range(5):
            send_link(api.backend, mailing(sink), context, invited.id, "invitation", address="192.0.2.5")
        with pytest.raises(TooManyMails):
            send_link(api.backend, mailing(sink), context, invited.id, "invitation", address="192.0.2.6")
        settle(api)
        last = [token_in(text_of(sink.next())) for _ in range(5)][-1]
        assert sink.mails.empty()
    assert good(api, last)


def test_one_person_does_not_mail_the_world(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one network: what is counted for them is one sum, whoever the mails go to."""
    monkeypatch.setattr(tries, "_LINK_BY", RateLimit("link", 2, 3600))
    monkeypatch.setattr(tries, "_LINK_NETWORK", (RateLimit("link", 2, 3600), RateLimit("link-wide", 2, 3600)))
    colleague, network = person(owner.workspace), "203.0.113.77"
    with mail_server() as sink:
        sent = partial(send_link, api.backend, mailing(sink), purpose="invitation")

        def invite(caller: Person, address: str) -> None:
            sent(asking(caller.log_in()), person(owner.workspace, "user", password_hash=None).id, address=address)

        invite(owner, network)
        invite(owner, "203.0.113.78")
        with pytest.raises(TooManyMails):
            invite(owner, "203.0.113.79")
        invite(colleague, network)
        ask_reset(api.backend, mailing(sink), owner.email, address=network)  # is counted apart
        with pytest.raises(TooManyMails):
            invite(person(owner.workspace), network)
        settle(api)
        assert sink.mails.qsize() == 4


def test_resets_that_strangers_ask_for_do_not_keep_links_from_being_sent(api: Api, owner: Person) -> None:
    """What anybody may ask for is counted apart from what administrators send."""
    target = person(owner.workspace, "user")
    with mail_server() as sink:
        for place in range(6):
            ask_reset(api.backend, mailing(sink), target.email, address=f"198.51.100.{place}")
        settle(api)
        send_link(api.backend, mailing(sink), asking(owner.log_in()), target.id, "reset", address="192.0.2.7")
        settle(api)
        assert sink.mails.qsize() == 6


def test_a_silent_mail_server_holds_up_nobody(
    api: Api, owner: Person, invited: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has a link mailed is answered before the server has said a word, and other errands are done."""
    monkeypatch.setattr(links, "_PATIENCE", 0.05)
    log = CapturingLogger()
    monkeypatch.setattr(mail, "_log", log)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        to = mailing(Sink(port=silent.getsockname()[1]))
        assert send_link(api.backend, to, asking(owner.log_in()), invited.id, "invitation") is None
        met, _ = silent.accept()  # the mail is under way, and stays so
        owner.try_to_log_in("not the password")
        assert [line["action"] for line in refusals_of(owner.workspace)] == ["session.refused"]
        assert log.calls == [], "the mail is still under way"
        met.close()
        settle(api)
    assert [call.args for call in log.calls] == [("mail_not_sent",)]


def test_a_mail_that_finds_no_place_is_said_so(
    api: Api, owner: Person, invited: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many wait for the server already."""
    monkeypatch.setattr(api.backend.mails, "ask", lambda _errand: False)
    with pytest.raises(MailNotSent):
        send_link(api.backend, mailing(Sink(port=1)), asking(owner.log_in()), invited.id, "invitation")


def test_without_a_mail_server_asking_does_nothing(api: Api, owner: Person) -> None:
    """The page says who can make a link."""
    before = len(audit_of(owner.workspace))
    ask_reset(api.backend, Settings(), owner.email, address=None)
    settle(api)
    assert len(audit_of(owner.workspace)) == before


def test_changing_the_password_uses_a_mailed_link_up(api: Api, owner: Person) -> None:
    """Whoever remembered it after all is safe from the mail."""
    with mail_server() as sink:
        ask_reset(api.backend, mailing(sink), owner.email, address="192.0.2.4")
        token = token_in(text_of(sink.next()))
    change_password(api.backend, asking(owner.log_in()), PASSWORD, NEW, address=None, agent=None)
    assert not good(api, token)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"public_url": "https://keys.example.com"}, "https://keys.example.com"),
    ],
)
def test_links_begin_where_the_console_is(given: dict[str, Any], where: str) -> None:
    """As the settings say; never as a request's headers do."""
    assert link_url(Settings(**given), "token") == f"{where}/console/link/token"
