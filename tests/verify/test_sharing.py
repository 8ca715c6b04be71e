"""What keys share is kept once, and is no way for a tenant to fill a process's memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from bitting.core.lifecycle import Identity
from bitting.core.network import parse_networks
from bitting.core.principal import WorkspaceId, new_key
from bitting.verify import entries, sharing
from bitting.verify.entries import Entry, Policies, judge
from bitting.verify.sharing import MAX_QUESTION, Answers, Declarations

OURS = WorkspaceId("wsp_ours")
KEY = new_key("key_1", 0)
Declared = dict[str, dict[str, bool]]


def declared(names: int, resource: str = "links") -> Declared:
    return {resource: {f"action-{number}": False for number in range(names)}}


def entry_of(policies: Policies, content: Declared, environment: str | None = None, *ips: str) -> Entry:
    key = replace(KEY, environment=environment, allowed_ips=parse_networks(list(ips)))
    return policies.entry(Identity(OURS, key, None, None, None, None, True, content), None, 0)


def test_keys_that_differ_share_what_their_workspace_declared() -> None:
    """Read anew for each of them, and large: all together take up little more than one."""
    policies = Policies()
    tracemalloc.start()
    try:
        one = entry_of(policies, declared(5000))
        first = tracemalloc.get_traced_memory()[0]
        others = [entry_of(policies, declared(5000), None, f"10.0.0.{number}") for number in range(50)]
        both = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert both - first < first
    assert len({id(entry.policy) for entry in (one, *others)}) == 51


def test_past_what_is_free_a_declaration_is_counted_with_every_key_till_others_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "FREE_BYTES", 100_000)
    declarations = Declarations(Answers())
    first = declarations.of(OURS, declared(500))
    second = declarations.of(OURS, declared(500, "pages"))
    assert (first.weight, second.weight) == (0, 0)
    third = declarations.of(OURS, declared(500, "files"))
    assert third.weight == third.size > 10_000
    assert declarations.of(OURS, declared(500, "files")) is third
    del first
    assert declarations.of(OURS, declared(500, "notes")).weight == 0


def test_an_entry_counts_its_policy_where_there_are_too_many_or_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_SHARED", 2)
    policies = Policies()
    plain = [entry_of(policies, {}, environment) for environment in (None, "a", "b")]
    assert plain[0].size == plain[1].size < 1000 < plain[2].size
    large = entry_of(Policies(), {}, None, *(f"10.0.{number}.0/30" for number in range(100)))
    assert large.size > 10_000


def test_so_many_answers_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """By all policies together; what was forgotten is decided again."""
    monkeypatch.setattr(sharing, "MAX_ANSWERS", 10)
    policies = Policies()
    kept = [entry_of(policies, {}, f"e{number}", "10.0.0.0/8") for number in range(5)]
    for number in range(20):
        for entry in kept:
            assert judge(entry, ((), None, f"10.0.0.{number}"), 0) is None
            assert judge(entry, ((), None, f"11.0.0.{number}"), 0) is not None
    assert sum(len(entry.policy.decided) for entry in kept) <= 10


@pytest.mark.parametrize(
    "asked",
    [
        (("links:nothing",), None, None),
        (("x" * 60_000,), None, None),
        (tuple(f"links:action-{number}" for number in range(20)), None, None),
        ((), "e" * (MAX_QUESTION + 1), None),
    ],
)
def test_what_is_long_or_unknown_is_answered_and_not_remembered(asked: tuple[tuple[str, ...], str, None]) -> None:
    entry = entry_of(Policies(), declared(20))
    answers = [judge(entry, asked, 0) for _ in range(2)]
    assert answers[0] == answers[1] and not entry.policy.decided
    entry.policy.knows(asked[0])
    assert not [scopes for scopes in entry.policy._declaration._known if scopes]
