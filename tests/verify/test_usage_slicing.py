"""Cutting what is to be merged: nothing is lost, nothing is twice, and nobody's tally is touched."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from bitting.core.principal import WorkspaceId
from bitting.core.usage import Tally
from bitting.verify.counting import VALID, Door, Event
from bitting.verify.usage.slicing import cut


def event(key: str) -> Event:
    return (Door.VERIFY, WorkspaceId("wsp_ours"), key, VALID, (), None)


COUNTED = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abcdefgh"), st.integers(1, 9), st.integers(0, 99)), max_size=30
)


def tallied(counted: list[tuple[int, str, int, int]]) -> Tally[Event]:
    tally: Tally[Event] = Tally()
    for minute, key, count, at in counted:
        tally.add(minute, Counter({event(key): count}), at)
    return tally


def held(*tallies: Tally[Event]) -> Counter[tuple[int, Event]]:
    found: Counter[tuple[int, Event]] = Counter()
    for tally in tallies:
        for minute, events in tally.minutes.items():
            found.update({(minute, each): count for each, count in events.items()})
    return found


@given(st.lists(COUNTED, max_size=3), st.integers(1, 20))
def test_a_slice_and_the_rest_are_the_whole(counted: list[list[tuple[int, str, int, int]]], at_once: int) -> None:
    """Each is in one of them, as late as it came; the oldest first, as many as asked or a tenth; and neither is a part
    of what was cut.
    """
    tallies = [tallied(each) for each in counted]
    before = deepcopy([(tally.minutes, tally.last) for tally in tallies])
    some, rest = cut(tallies, at_once)
    whole = held(*tallies)
    if rest is None:
        assert held(*some) == whole
        return
    first, left = held(*some), held(rest)
    assert first + left == whole
    assert not first.keys() & left.keys()
    assert len(first) == max(at_once, ceil(sum(map(len, tallies)) / 10))
    assert max(minute for minute, _ in first) <= min(minute for minute, _ in left)
    last: dict[Event, int] = {}
    for tally in tallies:
        last.update(tally.last)
    for part, events in ((some[0], first), (rest, left)):
        assert part.last == {each: last[each] for _, each in events}
    rest.join(tallied([(0, "a", 5, 100)]))
    assert before == [(tally.minutes, tally.last) for tally in tallies]


def test_very_much_is_cut_into_a_bounded_number_of_slices() -> None:
    """Whatever a slice leaves is written anew."""
    tally: Tally[Event] = Tally()
    tally.add(0, Counter({event(str(number)): 1 for number in range(20_000)}), 1)
    slices, written = 0, 0
    rest: Tally[Event] | None = tally
    while rest is not None:
        _, rest = cut([rest], 100)
        slices, written = slices + 1, written + (0 if rest is None else len(rest))
    assert slices < 50
    assert written < 10 * 20_000
