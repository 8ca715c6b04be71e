"""Steps of time, questions about them, and what waits to be written: bounded, and nothing counted twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.principal import WorkspaceId
from bitting.core.problems import InvalidInput
from bitting.core.usage import (
    MAX_NAMES,
    Batch,
    Names,
    Place,
    Step,
    Tally,
    dataset_name,
    kept_since,
    scope_name,
    span,
    unknown_scopes,
)
from bitting.core.values import format_instant, parse_instant

NOW = 1_790_000_000_123_456
MINUTE, HOUR, DAY = (step.micros for step in Step)
INSTANTS = st.integers(0, 4 * NOW)


def instant(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def place(minute: int = 0, key: str = "key", scope: str = "") -> Place:
    return Place(minute * MINUTE, key, "api", "valid", scope, "")


@given(INSTANTS)
def test_a_step_begins_as_the_calendar_says(at: int) -> None:
    """At the second 0, the minute 0, midnight: in UTC."""
    when = instant(at)
    minute = when.replace(second=0, microsecond=0)
    assert instant(Step.MINUTE.floor(at)) == minute
    assert instant(Step.HOUR.floor(at)) == minute.replace(minute=0)
    assert instant(Step.DAY.floor(at)) == minute.replace(minute=0, hour=0)


@given(INSTANTS)
def test_what_is_not_kept_makes_up_whole_coarser_steps(now: int) -> None:
    """Minutes are there for 48 hours at least and 49 at most, hours for 90 days and 91; days for good."""
    minutes, hours = kept_since(Step.MINUTE, now), kept_since(Step.HOUR, now)
    assert minutes is not None and hours is not None
    assert minutes % HOUR == hours % DAY == 0
    assert 48 * HOUR <= now - minutes < 49 * HOUR
    assert 90 * DAY <= now - hours < 91 * DAY
    assert kept_since(Step.DAY, now) is None


@given(st.sampled_from(Step), st.one_of(st.none(), INSTANTS), st.one_of(st.none(), INSTANTS), INSTANTS)
def test_a_span_is_whole_steps_that_take_in_what_was_asked_for(
    step: Step, start: int | None, end: int | None, now: int
) -> None:
    """Or it is refused."""
    try:
        found = span(step, start, end, now)
    except InvalidInput as error:
        assert [flaw.path for flaw in error.flaws] in (["query.from"], ["query.to"])
        return
    assert found.start % step.micros == found.end % step.micros == 0
    last = now if end is None else min(end, now)
    assert found.end - step.micros < last <= found.end
    if start is not None:
        assert found.start <= start < found.start + step.micros
    assert 0 < found.end - found.start <= 3_661 * DAY


@pytest.mark.parametrize(
    ("step", "usual", "earliest", "too_long"),
    [(Step.MINUTE, HOUR, 48 * HOUR, None), (Step.HOUR, DAY, 90 * DAY, None), (Step.DAY, 30 * DAY, None, 3_661 * DAY)],
)
def test_spans_are_bounded(step: Step, usual: int, earliest: int | None, too_long: int | None) -> None:
    """What is usual without a `from`; as far back as the step is kept, and so much at once."""
    assert span(step, None, None, NOW).start == step.floor(NOW - usual)
    if earliest is not None:
        assert span(step, NOW - earliest, None, NOW).start == step.floor(NOW - earliest)
        with pytest.raises(InvalidInput, match="is kept for"):
            span(step, NOW - earliest - 2 * DAY, None, NOW)
    if too_long is not None:
        with pytest.raises(InvalidInput, match="at once"):
            span(step, NOW - too_long, None, NOW)


def test_no_span_begins_before_an_instant_can_be_written() -> None:
    """The usual length before a time of the first days there are."""
    for days in (0, 14):
        found = span(Step.DAY, None, parse_instant("0001-01-01T00:00:00Z", "to") + days * DAY, NOW)
        assert format_instant(found.start) == "0001-01-01T00:00:00Z"
        assert format_instant(found.end) == f"0001-01-{days + 1:02}T00:00:00Z"


def test_a_span_ends_after_it_begins_and_not_in_the_future() -> None:
    assert span(Step.HOUR, NOW - HOUR, NOW + 400 * DAY, NOW) == span(Step.HOUR, NOW - HOUR, None, NOW)
    for start, end in ((NOW, NOW), (NOW - 1, NOW - HOUR), (NOW + HOUR, NOW + 2 * HOUR), (NOW, None)):
        with pytest.raises(InvalidInput, match="before 'to'"):
            span(Step.HOUR, start, end, NOW)


@pytest.mark.parametrize(
    ("scopes", "name"),
    [
        ((), ""),
        (("links:read",), "links:read"),
        (("links:write", "links:read"), "links:write links:read"),
        (("links:read", "x y:z"), ""),
        (("links",), ""),
        (("links:\x00",), ""),
        (tuple(f"links:a{number}" for number in range(100)), ""),
    ],
)
def test_scopes_are_counted_under_one_name(scopes: tuple[str, ...], name: str) -> None:
    """In the order that they were given; what is no list of scopes, or too long, has none."""
    assert scope_name(scopes) == name


def test_what_can_be_no_dataset_has_no_name() -> None:
    assert [dataset_name(name) for name in ("orders", "a" * 63)] == ["orders", "a" * 63]
    assert {dataset_name(name) for name in (None, "", "a" * 64, "1a", "a b", "a\x00", "ä")} == {""}


def test_scopes_that_there_are_not_are_told_apart() -> None:
    """One unknown part is enough."""
    places = [place(scope=scope) for scope in ("", "a:b", "a:b c:d", "c:d")]
    assert unknown_scopes(places, ["a:b"]) == {"a:b c:d", "c:d"}


# --- bounds --------------------------------------------------------------------------------------


def test_so_many_names_are_told_apart_for_a_key_in_a_minute() -> None:
    """Those that came first stay; the next minute, and another key, have room again."""
    names = Names()
    scopes = [(f"links:a{number}", "") for number in range(MAX_NAMES + 5)]
    told = [names.bounded(0, ("wsp", "key"), scope) for scope in scopes]
    assert told == scopes[:MAX_NAMES] + [("", "")] * 5
    assert names.bounded(0, ("wsp", "key"), scopes[3]) == scopes[3]
    assert names.bounded(0, ("wsp", "other"), scopes[-1]) == scopes[-1]
    assert names.bounded(MINUTE, ("wsp", "key"), scopes[-1]) == scopes[-1]


SECONDS = st.lists(
    st.tuples(st.integers(0, 4), st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9), max_size=6)), max_size=12
)


def tally(seconds: list[tuple[int, dict[str, int]]]) -> Tally[str]:
    """Of seconds one after the other, each of some minute."""
    made: Tally[str] = Tally()
    for at, (minute, events) in enumerate(seconds):
        made.add(minute, Counter(events), at)
    return made


def counted(made: Tally[str]) -> Counter[tuple[int, str]]:
    return Counter({(minute, name): n for minute, events in made.minutes.items() for name, n in events.items()})


@given(SECONDS, st.integers(0, 12))
def test_tallies_that_are_joined_are_those_of_all_seconds(seconds: list[tuple[int, dict[str, int]]], cut: int) -> None:
    """Wherever they were parted; with the time that each event came last."""
    made = tally(seconds)
    joined = tally(seconds[:cut])
    later: Tally[str] = Tally()
    for at, (minute, events) in list(enumerate(seconds))[cut:]:
        later.add(minute, Counter(events), at)
    joined.join(later)
    expected: Counter[tuple[int, str]] = Counter()
    for minute, events in seconds:
        expected.update({(minute, name): n for name, n in events.items()})
    assert counted(made) == counted(joined) == expected
    assert made.last == joined.last == {name: at for at, (_, events) in enumerate(seconds) for name in events}
    assert (made.total(), len(made)) == (expected.total(), len(expected))


@given(SECONDS, st.integers(1, 12))
def test_what_waits_is_bounded_and_what_is_dropped_is_known(
    seconds: list[tuple[int, dict[str, int]]], bound: int
) -> None:
    """The newest minutes stay as they are, and no event is left that isn't counted."""
    made = tally(seconds)
    before = counted(made)
    dropped = made.shrink(bound)
    left = counted(made)
    assert len(made) <= bound
    assert left <= before
    assert dropped == before.total() - left.total()
    assert set(made.last) == {name for _, name in left}
    if len(before) <= bound:
        assert left == before
    elif left:
        oldest = min(minute for minute, _ in left)
        assert all(left[place] == n for place, n in before.items() if place[0] > oldest)


def test_the_oldest_minute_is_dropped_first() -> None:
    """And of the only one, what came last."""
    made = tally([(2, {"b": 2}), (1, {"a": 1, "c": 1}), (3, {"d": 3}), (3, {"e": 4})])
    assert made.shrink(3) == 2
    assert counted(made) == {(2, "b"): 2, (3, "d"): 3, (3, "e"): 4}
    assert made.shrink(1) == 6
    assert counted(made) == {(3, "d"): 3}


def test_workspaces_come_in_one_order() -> None:
    """Each with all of its own: processes that write the same ones don't cross."""
    batch = Batch()
    for workspace in ("wsp_b", "wsp_a", "wsp_c"):
        batch.used[WorkspaceId(workspace), "key"] = 1
        batch.counts[WorkspaceId(workspace), place()] = 2
    batch.used[WorkspaceId("wsp_0"), "key"] = 1
    parts = list(batch.by_workspace())
    assert [workspace for workspace, _, _ in parts] == ["wsp_0", "wsp_a", "wsp_b", "wsp_c"]
    assert parts[0][1:] == ({}, {"key": 1})
    assert parts[1][1:] == ({place(): 2}, {"key": 1})
