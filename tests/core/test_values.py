"""Property values: one stored form per type, and the same value back."""

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitting.core.ids import new_id
from bitting.core.problems import InvalidInput
from bitting.core.schema import Property, PropertyType
from bitting.core.values import answer_value, format_instant, parse_instant, parse_literal, store_value

T = PropertyType
USER, RECORD = "usr_" + "a" * 22, "rec_" + "Z" * 22
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ok_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
moments = st.datetimes(timezones=st.just(UTC))
accepted: dict[PropertyType, st.SearchStrategy[object]] = {
    T.TEXT: ok_text,
    T.INTEGER: st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**53) + 1, 2**53 - 1).map(float),
    T.NUMBER: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    T.BOOLEAN: st.booleans(),
    T.DATE: st.dates().map(lambda day: day.isoformat()),
    T.DATETIME: moments.map(lambda moment: moment.isoformat()),
    T.CHOICE: st.sampled_from(["a", "b", ""]),
    T.USER: st.builds(lambda: new_id("usr")),
    T.RECORD: st.builds(lambda: new_id("rec")),
}
types = st.sampled_from(PropertyType)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def prop(kind: PropertyType, plural: bool = False) -> Property:
    return Property(1, "p", "P", kind, plural=plural, options=("a", "b", "") if kind is T.CHOICE else ())


def reason(kind: PropertyType, value: object, plural: bool = False) -> str:
    """The one flaw of a value, which must be at its path."""
    with pytest.raises(InvalidInput) as caught:
        store_value(prop(kind, plural), value, "properties.p")
    (flaw,) = caught.value.flaws
    assert flaw.path == "properties.p"
    return flaw.reason


class TestStoring:
    @pytest.mark.parametrize(
        ("kind", "value", "stored"),
        [
            (T.TEXT, "", ""),
            (T.TEXT, " e\u0301 ", " e\u0301 "),
            (T.INTEGER, 1, 1),
            (T.INTEGER, 1.0, 1),
            (T.INTEGER, -0.0, 0),
            (T.INTEGER, 2**63 - 1, 2**63 - 1),
            (T.INTEGER, -(2**63), -(2**63)),
            (T.NUMBER, 1, 1.0),
            (T.NUMBER, -0.0, 0.0),
            (T.NUMBER, 0.1, 0.1),
            (T.NUMBER, 2**53, 2.0**53),
            (T.NUMBER, 2**62, 2.0**62),
            (T.BOOLEAN, True, True),
            (T.DATE, "2024-02-29", "2024-02-29"),
            (T.DATE, "0001-01-01", "0001-01-01"),
            (T.DATETIME, "1970-01-01T00:00:01Z", 1_000_000),
            (T.CHOICE, "b", "b"),
            (T.USER, USER, USER),
            (T.RECORD, RECORD, RECORD),
        ],
    )
    def test_the_stored_forms_are_frozen(self, kind: PropertyType, value: object, stored: object) -> None:
        """Rows hold these; the literal of a filter takes the same form."""
        assert repr(store_value(prop(kind), value, "p")) == repr(stored)
        assert repr(parse_literal(prop(kind), value, "p")) == repr(stored)
        assert repr(parse_literal(prop(kind, plural=True), value, "p")) == repr(stored)
        assert repr(store_value(prop(kind, plural=True), [value, value], "p")) == repr([stored, stored])

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            *[(kind, value) for kind in PropertyType for value in ({}, {"a": 1}, ["a"], [])],
            *[(kind, True) for kind in PropertyType if kind is not T.BOOLEAN],
            *[(T.TEXT, value) for value in (1, 1.5, "a\0", "\ud800", "x" * 100_001)],
            *[(T.INTEGER, value) for value in (1.5, "1", 2**63, -(2**63) - 1, math.nan, math.inf, 2.0**53, 1e300)],
            *[(T.NUMBER, value) for value in ("1", math.nan, math.inf, -math.inf, 2**53 + 1, 10**400, 2**63 - 1)],
            *[(T.BOOLEAN, value) for value in (0, 1, 1.0, "true", "")],
            *[
                (T.DATE, value)
                for value in ("", "2023-02-29", "0000-01-01", "2023-1-1", "20230101", "2023-01-01T00:00:00Z")
            ],
            *[
                (T.DATE, value)
                for value in ("2023-01-01\n", "10000-01-01", "2023-13-01", "2023-W01-1", "٢٠٢٣-01-01", 20230101)
            ],
            *[(T.DATETIME, value) for value in (0, 1.5, "", "2023-01-01", "2023-01-01T00:00:00")],
            *[(T.CHOICE, value) for value in ("A", "c", 0, "a ")],
            *[(T.USER, value) for value in ("", "usr_", RECORD, USER + "a", USER[:-1], USER + "\n", 1)],
            *[(T.RECORD, value) for value in ("", "rec_", USER, RECORD + "a", "rec_" + "-" * 22, 1)],
        ],
    )
    def test_what_is_not_of_the_type_is_refused(self, kind: PropertyType, value: object) -> None:
        """Nothing is guessed, as a value or as a literal, and the reason doesn't repeat what was sent."""
        assert reason(kind, value).startswith("must ")
        with pytest.raises(InvalidInput, match=r"^filter\.p\.eq: must "):
            parse_literal(prop(kind), value, "filter.p.eq")

    def test_an_int_that_a_double_can_not_hold_is_refused_in_words(self) -> None:
        """Two neighbours would become equal."""
        assert "double" in reason(T.NUMBER, 2**53 + 1)

    def test_a_whole_number_that_came_as_a_large_double_is_refused(self) -> None:
        """9007199254740993.0 would be stored as ...992: whoever means it writes it without a fraction."""
        assert "without fraction" in reason(T.INTEGER, float("9007199254740993.0"))

    @given(types, anything)
    def test_no_value_breaks_it(self, kind: PropertyType, value: object) -> None:
        """Stored or refused; and what is stored can be written to both databases and read back."""
        for plural in (False, True):
            try:
                stored = store_value(prop(kind, plural), value, "p")
            except InvalidInput:
                continue
            json.dumps(stored, allow_nan=False, ensure_ascii=False).encode()
            assert "\0" not in json.dumps(stored, ensure_ascii=False)


class TestMissing:
    @given(types, st.booleans())
    def test_null_is_missing(self, kind: PropertyType, plural: bool) -> None:
        """For every type; the caller removes the property."""
        assert store_value(prop(kind, plural), None, "p") is None
        assert answer_value(prop(kind, plural), None) is None

    @given(types)
    def test_the_empty_list_is_missing(self, kind: PropertyType) -> None:
        """An empty plural property and an absent one are the same."""
        assert store_value(prop(kind, plural=True), [], "p") is None

    @given(types, st.booleans())
    def test_a_literal_is_never_null(self, kind: PropertyType, plural: bool) -> None:
        """Nothing equals a missing value."""
        with pytest.raises(InvalidInput, match="isNull"):
            parse_literal(prop(kind, plural), None, "p")


class TestPlural:
    def test_each_bad_element_is_named(self) -> None:
        """Null is no element."""
        with pytest.raises(InvalidInput) as caught:
            store_value(prop(T.INTEGER, plural=True), [1, None, 2, "x", [3]], "properties.p")
        assert [flaw.path for flaw in caught.value.flaws] == ["properties.p.1", "properties.p.3", "properties.p.4"]

    @pytest.mark.parametrize("value", ["a", 1, {}, {"0": "a"}, ["a"] * 1001])
    def test_a_list_of_at_most_a_thousand_is_asked_for(self, value: object) -> None:
        """A single value is not taken for a list of one."""
        assert "must " in reason(T.TEXT, value, plural=True)

    def test_order_and_repetition_are_kept(self) -> None:
        """Up to a thousand elements."""
        values = ["b", "a", "b"] * 333
        assert store_value(prop(T.TEXT, plural=True), values, "p") == values


class TestAnswering:
    @given(types.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(accepted[kind], min_size=1, max_size=5))))
    def test_what_is_stored_is_answered_and_stored_alike(self, case: tuple[PropertyType, list[object]]) -> None:
        """Storing an answer again changes nothing, and neither does the way through JSON text."""
        kind, values = case
        for plural, value in ((True, values), (False, values[0])):
            stored = store_value(prop(kind, plural), value, "p")
            read = json.loads(json.dumps(stored))
            answer = answer_value(prop(kind, plural), read)
            assert repr(store_value(prop(kind, plural), answer, "p")) == repr(stored)
            if kind is not T.DATETIME:
                assert answer == value

    @pytest.mark.parametrize(
        ("kind", "stored", "answer"),
        [
            (T.BOOLEAN, 1, True),
            (T.BOOLEAN, 0, False),
            (T.NUMBER, 100, 100.0),
            (T.INTEGER, 5, 5),
            (T.DATETIME, 0, "1970-01-01T00:00:00Z"),
            (T.DATETIME, [0, 1], ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z"]),
            (T.BOOLEAN, [1, 0], [True, False]),
        ],
    )
    def test_the_declared_type_decides(self, kind: PropertyType, stored: object, answer: object) -> None:
        """SQLite says 1 for true, PostgreSQL 100 for 1e2."""
        assert repr(answer_value(prop(kind, isinstance(stored, list)), stored)) == repr(answer)


class TestInstants:
    @pytest.mark.parametrize(
        ("text", "micros", "canonical"),
        [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2026-01-02T03:04:05.678901Z", 1767323045678901, "2026-01-02T03:04:05.678901Z"),
            ("2026-01-02T03:04:05.6789019999Z", 1767323045678901, "2026-01-02T03:04:05.678901Z"),
            ("2026-01-02T03:04:05.67Z", 1767323045670000, "2026-01-02T03:04:05.670000Z"),
            ("2026-01-02T03:04:05.000Z", 1767323045000000, "2026-01-02T03:04:05Z"),
            ("2026-01-02t03:04:05z", 1767323045000000, "2026-01-02T03:04:05Z"),
            ("2026-01-02T05:34:05+02:30", 1767323045000000, "2026-01-02T03:04:05Z"),
            ("2026-01-01T23:04:05-04:00", 1767323045000000, "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05-00:00", 1767323045000000, "2026-01-02T03:04:05Z"),
            ("1969-12-31T23:59:59.9999999Z", -1, "1969-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00Z", -62135596800000000, "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", 253402300799999999, "9999-12-31T23:59:59.999999Z"),
            ("2026-01-02T03:04:05." + "9" * 5000 + "Z", 1767323045999999, "2026-01-02T03:04:05.999999Z"),
        ],
    )
    def test_the_forms_of_time_are_frozen(self, text: str, micros: int, canonical: str) -> None:
        """Microseconds inside, RFC 3339 in UTC outside; no fraction or six digits."""
        assert parse_instant(text) == micros
        assert format_instant(micros) == canonical

    @pytest.mark.parametrize(
        "text",
        [
            *("2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-01-02T03:04Z", "20260102T030405Z"),
            *("2026-01-02T24:00:00Z", "2026-01-02T23:59:60Z", "2016-12-31T23:59:60Z", "2026-01-02T23:60:00Z"),
            *("2026-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2026-00-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2026-01-02T03:04:05+24:00"),
            *(
                "2026-01-02T03:04:05+01:60",
                "2026-01-02T03:04:05+0100",
                "2026-01-02T03:04:05+01",
                "2026-01-02T03:04:05.Z",
            ),
            *("2026-01-02T03:04:05,5Z", "2026-01-02T03:04:05Z\n", " 2026-01-02T03:04:05Z", "２026-01-02T03:04:05Z"),
            *("2026-01-02T03:04:05ZZ", "-2026-01-02T03:04:05Z", "infinity", "now", "", None, 0, 1.5, True, [], {}),
        ],
    )
    def test_what_is_no_instant_is_refused_at_its_path(self, text: object) -> None:
        """No offset, leap seconds, 24:00, days that don't exist, years beyond 1 to 9999."""
        with pytest.raises(InvalidInput, match=r"^expiresAt: must "):
            parse_instant(text, "expiresAt")

    @given(
        st.datetimes(),
        st.integers(-23 * 60 - 59, 23 * 60 + 59),
        st.sampled_from(["seconds", "milliseconds", "microseconds"]),
    )
    @example(datetime.min, 0, "seconds")  # noqa: DTZ901
    @example(datetime.max, 0, "microseconds")  # noqa: DTZ901
    def test_instants_agree_with_datetime(self, local: datetime, offset: int, form: str) -> None:
        """For any local time and offset that stays within the years 1 to 9999."""
        moment = local.replace(tzinfo=timezone(timedelta(minutes=offset)))
        text = moment.isoformat(timespec=form)
        try:
            expected = (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
            datetime.fromisoformat(text).astimezone(UTC)
        except OverflowError:
            with pytest.raises(InvalidInput):
                parse_instant(text)
        else:
            assert parse_instant(text) == expected

    @given(moments)
    def test_an_instant_is_written_and_read_exactly(self, moment: datetime) -> None:
        """To the microsecond, in one fixed form."""
        text = format_instant((moment - EPOCH) // timedelta(microseconds=1))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", text)
        assert datetime.fromisoformat(text) == moment
        assert parse_instant(text) == (moment - EPOCH) // timedelta(microseconds=1)

    @pytest.mark.parametrize("micros", [-62135596800000001, 253402300800000000, 10**30])
    def test_what_lies_beyond_the_years_has_no_form(self, micros: int) -> None:
        """A mistake of the program, not of a caller."""
        with pytest.raises(ValueError, match="9999"):
            format_instant(micros)
