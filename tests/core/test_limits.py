"""Rate limits and quotas: what is accepted, and every flaw at its path."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.limits import Quota, RateLimit, Refill, parse_quota, parse_rate_limits
from bitting.core.problems import InvalidInput

BURST = {"name": "burst", "limit": 100, "windowSeconds": 60}
names = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)
limits = st.builds(RateLimit, names, st.integers(1, 10**9), st.integers(1, 31_536_000))
quotas = st.builds(Quota, st.integers(1, 10**15), st.sampled_from(Refill))
anything: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "limit", "windowSeconds", "refill", "x"]), inner)
    ),
    max_leaves=8,
)


def rate_flaws(value: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_rate_limits(value)
    return [flaw.path for flaw in caught.value.flaws]


def quota_flaws(value: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_quota(value)
    return [flaw.path for flaw in caught.value.flaws]


@given(st.lists(limits, max_size=10, unique_by=lambda limit: limit.name))
def test_rate_limits_come_back_as_they_were_sent(given_limits: list[RateLimit]) -> None:
    """In their order, as the fields that callers write."""
    sent = [{"windowSeconds": one.window_seconds, "limit": one.limit, "name": one.name} for one in given_limits]
    parsed = parse_rate_limits(sent)
    assert parsed == tuple(given_limits)
    assert [one.as_json() for one in parsed] == sent


@given(quotas)
def test_quotas_come_back_as_they_were_sent(quota: Quota) -> None:
    """As the fields that callers write."""
    sent = {"limit": quota.limit, "refill": str(quota.refill)}
    assert parse_quota(sent) == quota
    assert quota.as_json() == sent


def test_the_json_forms_are_frozen() -> None:
    """Rows hold these."""
    assert RateLimit("burst", 100, 60).as_json() == BURST
    assert Quota(10_000, Refill.DAILY).as_json() == {"limit": 10_000, "refill": "daily"}
    assert type(Quota(1, Refill.NEVER).as_json()["refill"]) is str


def test_null_is_no_quota() -> None:
    """And an empty list no rate limit."""
    assert parse_quota(None) is None
    assert parse_rate_limits([]) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("name", value) for value in ("", "Burst", "1a", "_a", "a b", "a" * 33, "a\n", "é", None, 1)],
        *[("limit", value) for value in (0, -1, 10**9 + 1, 1.0, "1", True, None)],
        *[("windowSeconds", value) for value in (0, -1, 31_536_001, 60.0, "60", True, None)],
    ],
)
def test_a_bad_field_of_a_rate_limit_is_named(field: str, value: object) -> None:
    """Each bound, and what only looks like an integer."""
    assert rate_flaws([BURST, {**BURST, "name": "other", field: value}]) == [f"rateLimits.1.{field}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("limit", value) for value in (0, -1, 10**15 + 1, 1.0, "1", True, None)],
        *[("refill", value) for value in ("", "Daily", "hourly", None, 1, ["daily"])],
    ],
)
def test_a_bad_field_of_a_quota_is_named(field: str, value: object) -> None:
    """Each bound, and what only looks like an integer."""
    assert quota_flaws({"limit": 1, "refill": "daily", field: value}) == [f"quota.{field}"]


def test_every_flaw_is_named_at_once() -> None:
    """Unknown fields, missing ones and bad ones."""
    sent: list[object] = [{"name": "B", "limit": 0, "burst": 1}, 7, BURST]
    assert rate_flaws(sent) == [
        *("rateLimits.0.burst", "rateLimits.0.name", "rateLimits.0.limit", "rateLimits.0.windowSeconds"),
        "rateLimits.1",
    ]
    assert quota_flaws({"refil": 1}) == ["quota.refil", "quota.limit", "quota.refill"]


def test_a_name_stands_once() -> None:
    """The second of the same name is the flaw."""
    assert rate_flaws([BURST, {**BURST, "limit": 5}]) == ["rateLimits.1.name"]


NOT_LISTS: list[object] = [None, {}, "x", 1, [BURST] * 11]


@pytest.mark.parametrize("value", NOT_LISTS)
def test_a_list_of_at_most_ten_is_asked_for(value: object) -> None:
    """Anything else is a flaw of the list."""
    assert rate_flaws(value) == ["rateLimits"]


@pytest.mark.parametrize("value", [[], "x", 1, True, False])
def test_a_quota_is_an_object(value: object) -> None:
    """Nothing that is merely false counts as none."""
    assert quota_flaws(value) == ["quota"]


@given(anything)
def test_no_value_breaks_it(value: object) -> None:
    """Read or refused."""
    parsers: tuple[Callable[[object], object], ...] = (parse_rate_limits, parse_quota)
    for parse in parsers:
        try:
            parse(value)
        except InvalidInput as invalid:
            assert invalid.flaws
