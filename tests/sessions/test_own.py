"""What everybody does about themselves: sessions, password, name, language."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bitting.backend import Context
from bitting.core.errors import NotFound, Refused
from bitting.core.ids import new_id
from bitting.core.principal import operator
from bitting.core.problems import InvalidInput
from bitting.sessions.own import TOO_MANY_TRIES, WRONG_PASSWORD
from bitting.sessions.service import (
    Begun,
    Choice,
    Turned,
    change_name,
    change_password,
    end_session,
    list_sessions,
    log_out,
    log_out_everywhere,
    look_at_link,
    make_link,
    set_language,
)
from bitting.users.service import change_user, read_user
from bitting.verify.passwords import hash_password
from tests.support.api import Workspace
from tests.support.people import PASSWORD, Person, asking, audit_of, person, refusals_of
from tests.support.races import at_once

NEW = "quite another password"


@pytest.fixture
def owner(workspace: Workspace) -> Person:
    """Somebody with a password."""
    return person(workspace)


def changed(begun: Begun, owner: Person, old: str = PASSWORD, new: str = NEW) -> Begun:
    backend = owner.workspace.api.backend
    return change_password(backend, asking(begun), old, new, address=owner.address, agent="Firefox/1 (Windows)")


def flaw_of(error: pytest.ExceptionInfo[InvalidInput]) -> tuple[str, str]:
    (flaw,) = error.value.flaws
    return flaw.path, flaw.reason


# --- sessions ------------------------------------------------------------------------------------


def test_people_see_their_own_sessions_and_which_is_this_one(owner: Person) -> None:
    """Those seen last first; not those of others, nor those that ended."""
    person(owner.workspace).log_in()
    one, two, ended = owner.log_in(), owner.log_in(), owner.log_in()
    backend = owner.workspace.api.backend
    log_out(backend, ended.session, None)
    owner.workspace.api.clock.ahead += 120_000_000
    owner.finds(one)
    backend.errands.settle()
    listed = list_sessions(backend, asking(two))
    assert [(line["id"], line["current"]) for line in listed] == [(one.session.id, False), (two.session.id, True)]
    assert {(line["address"], line["agent"]) for line in listed} == {(owner.address, "Firefox, Linux")}
    assert listed[0]["lastSeenAt"] > listed[0]["createdAt"]
    assert list(listed[0]) == ["id", "createdAt", "lastSeenAt", "address", "agent", "current"]


def test_one_of_ones_own_sessions_is_ended(owner: Person) -> None:
    """The others go on."""
    one, two = owner.log_in(), owner.log_in()
    end_session(owner.workspace.api.backend, asking(two), one.session.id)
    assert owner.finds(one) is None
    assert owner.finds(two)
    assert audit_of(owner.workspace)[-1]["target"] == one.session.id


def test_nobody_ends_a_session_of_somebody_else(owner: Person) -> None:
    """It is as if there were none: also for an owner, and for a session of another workspace."""
    other, stranger = person(owner.workspace, "user"), person(owner.workspace.api.workspace())
    mine = owner.log_in()
    for begun in (other.log_in(), stranger.log_in()):
        with pytest.raises(NotFound):
            end_session(owner.workspace.api.backend, asking(mine), begun.session.id)
        assert other.finds(begun)
    for ident in ("", "ses_x", new_id("ses")):
        with pytest.raises(NotFound):
            end_session(owner.workspace.api.backend, asking(mine), ident)


def test_logging_out_everywhere_ends_this_session_too(owner: Person) -> None:
    """And no other person's."""
    other = person(owner.workspace)
    mine, others = [owner.log_in(), owner.log_in()], other.log_in()
    log_out_everywhere(owner.workspace.api.backend, asking(mine[0]))
    assert [owner.finds(one) for one in mine] == [None, None]
    assert other.finds(others)
    last = audit_of(owner.workspace)[-1]
    assert (last["actor"], last["action"], last["target"]) == (owner.id, "session.endAll", owner.id)
    with pytest.raises(Refused):
        log_out_everywhere(owner.workspace.api.backend, asking(mine[0]))


# --- password ------------------------------------------------------------------------------------


def test_a_new_password_ends_every_session_and_begins_a_new_one(owner: Person) -> None:
    """With a token that nobody had before; the old password opens nothing more."""
    other = person(owner.workspace)
    mine, kept = [owner.log_in(), owner.log_in()], other.log_in()
    begun = changed(mine[0], owner)
    assert [owner.finds(one) for one in mine] == [None, None]
    assert begun.token not in {one.token for one in mine}
    assert owner.finds(begun)
    assert other.finds(kept)
    assert owner.try_to_log_in() == Turned("wrong")
    owner.log_in(NEW)


def test_a_new_password_stands_in_the_trail_without_itself(owner: Person) -> None:
    """Who changed it, and that they knew the old one."""
    changed(owner.log_in(), owner)
    lines = audit_of(owner.workspace)
    assert [line["action"] for line in lines] == ["session.create", "user.password", "session.create"]
    assert lines[1]["after"] == {"by": "password"}
    assert NEW not in json.dumps(lines)


def test_a_new_password_uses_up_the_links_that_were_out(owner: Person) -> None:
    """A reset link in an old mail opens nothing more."""
    context = Context(operator(owner.workspace.id))
    token = make_link(owner.workspace.api.backend, context, owner.id, "reset")
    changed(owner.log_in(), owner)
    assert look_at_link(owner.workspace.api.backend, token) is None


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [("not the password", NEW, "old"), ("", NEW, "old"), (PASSWORD, "tooshort", "new"), (PASSWORD, "x" * 1001, "new")],
)
def test_a_wrong_old_or_a_bad_new_password_changes_nothing(owner: Person, old: str, new: str, path: str) -> None:
    """The field is named, and no password is repeated."""
    begun = owner.log_in()
    with pytest.raises(InvalidInput) as error:
        changed(begun, owner, old, new)
    assert flaw_of(error)[0] == path
    assert not [given for given in (old, new) if given and given in str(error.value)]
    assert owner.finds(begun)
    owner.log_in()


def test_a_wrong_old_password_stands_in_the_log_of_refusals(owner: Person) -> None:
    """It may be a stranger at somebody's browser."""
    with pytest.raises(InvalidInput):
        changed(owner.log_in(), owner, "not the password")
    (line,) = refusals_of(owner.workspace)
    assert (line["actor"], line["action"]) == (owner.id, "user.password")


def test_the_old_password_is_not_to_be_guessed_with_a_session(owner: Person) -> None:
    """After ten tries the right one is refused; to log in is counted apart."""
    begun = owner.log_in()
    for _ in range(10):
        with pytest.raises(InvalidInput) as error:
            changed(begun, owner, "not the password")
        assert flaw_of(error) == ("old", WRONG_PASSWORD)
    with pytest.raises(InvalidInput) as error:
        changed(begun, owner)
    assert flaw_of(error) == ("old", TOO_MANY_TRIES)
    owner.log_in()


def test_strangers_keep_nobody_from_changing_a_password(owner: Person) -> None:
    """Whatever they try to log in with: who is in is not counted by the address."""
    begun = owner.log_in()
    for place in range(11):
        owner.try_to_log_in("not the password", address=f"192.0.2.{place}")
    assert owner.finds(changed(begun, owner))


def test_of_two_who_change_a_password_at_once_one_does(owner: Person) -> None:
    """The other knew a password that is the old one by then, with a session that has ended."""
    one, two = owner.log_in(), owner.log_in()
    came = at_once([lambda: changed(one, owner, new="the first's password"), lambda: changed(two, owner)])
    (begun,) = [result for result in came if isinstance(result, Begun)]
    assert owner.finds(begun)
    assert len([result for result in came if isinstance(result, (Refused, InvalidInput))]) == 1


def test_who_logs_in_while_the_password_changes_is_in_with_the_new_one_or_not_at_all(owner: Person) -> None:
    """No session of the old password outlives the change."""
    begun = owner.log_in()
    jobs: list[Callable[[], Begun | Choice | Turned]] = [lambda: changed(begun, owner), owner.try_to_log_in]
    new, came = at_once(jobs)
    assert isinstance(new, Begun)
    assert owner.finds(new)
    if isinstance(came, Begun):
        assert owner.finds(came) is None
    else:
        assert came == Turned("wrong")


# --- name and language ---------------------------------------------------------------------------


def test_people_change_their_own_name(owner: Person) -> None:
    """Of whatever user type; the trail has both names, and nothing for no change."""
    plain = person(owner.workspace, "user")
    backend, begun = owner.workspace.api.backend, plain.log_in()
    for _ in range(2):
        change_name(backend, asking(begun), "Renamed")
    found = plain.finds(begun)
    assert found is not None
    assert found.principal.user is not None
    assert found.principal.user.name == "Renamed"
    lines = [line for line in audit_of(owner.workspace) if line["action"] == "user.change"]
    assert [(line["actor"], line["before"], line["after"]) for line in lines] == [
        (plain.id, {"name": "Olive"}, {"name": "Renamed"})
    ]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\0b", "\ud800"])
def test_a_name_that_is_none_is_refused(owner: Person, name: str) -> None:
    """As everywhere."""
    with pytest.raises(InvalidInput) as error:
        change_name(owner.workspace.api.backend, asking(owner.log_in()), name)
    assert flaw_of(error)[0] == "name"


def test_people_choose_a_language(owner: Person) -> None:
    """It is found with their sessions, stands in the trail, and in no answer of the API."""
    backend, begun = owner.workspace.api.backend, owner.log_in()
    languages = []
    for language in ("uk", "uk", "fr", None):
        set_language(backend, asking(begun), language)
        found = owner.finds(begun)
        assert found is not None
        languages.append(found.language)
    assert languages == ["uk", "uk", "fr", None]
    lines = [line for line in audit_of(owner.workspace) if line["action"] == "user.change"]
    assert [line["after"] for line in lines] == [{"language": "uk"}, {"language": "fr"}, {"language": None}]
    assert "language" not in read_user(backend, asking(begun), owner.id)
    with pytest.raises(InvalidInput) as error:
        set_language(backend, asking(begun), "tlh")
    assert flaw_of(error)[0] == "language"


def test_other_changes_of_a_user_keep_password_and_language(owner: Person) -> None:
    """They are nobody's to change from outside."""
    backend, begun = owner.workspace.api.backend, owner.log_in()
    set_language(backend, asking(begun), "uk")
    change_user(backend, Context(operator(owner.workspace.id)), owner.id, {"name": "Other"})
    found = owner.finds(begun)
    assert found is not None
    assert found.language == "uk"
    owner.log_in()


def test_a_password_is_kept_as_argon2id() -> None:
    """Whoever steals the database has to guess, slowly."""
    assert hash_password(NEW).startswith("$argon2id$")
