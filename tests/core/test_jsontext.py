"""Strict JSON: what is read, what is refused and where, and the canonical form."""

import json
import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitting.core.jsontext import MAX_TEXT, Malformed, canonical, parse, path_label, text_flaw
from bitting.core.problems import InvalidInput

clean_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    leaves | clean_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(clean_text, inner, max_size=4),
    max_leaves=20,
)
# Pieces from which nearly every text is nearly JSON.
FRAGMENTS = (
    *'[]{},:" \n\t\r\v\f\0',
    *('"a"', '"b"', '"a":', "true", "false", "null", "True", "'a'", "//", "[[", "]]", "\u00a0", "\u0661"),
    *("1", "-", "0", "01", "1.5", "1.", ".5", "e", "1e5", "1E400", "-1e400", "NaN", "Infinity", "-Infinity"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
    *('"\\x"', '"\\u12"', "\\u0000", '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00\\ud800"'),
    *('"\t"', '"\\t"', '"\\/"'),
)
pieces = st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join)


class Bad(Exception):
    """The reference reader: not JSON."""


class Flawed(Exception):
    """The reference reader: JSON, or nearly, that must be refused."""


class Reference:
    """A reader written from RFC 8259 character by character, to compare with; refuses NaN and Infinity as flaws."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.flawed = text, 0, False

    def read(self) -> object:
        value = self.value()
        self.blank()
        if self.at != len(self.text):
            raise Bad
        if self.flawed:
            raise Flawed
        return value

    def blank(self) -> None:
        while self.text[self.at : self.at + 1] in (" ", "\t", "\n", "\r"):
            self.at += 1

    def take(self, word: str) -> bool:
        found = self.text.startswith(word, self.at)
        self.at += len(word) if found else 0
        return found

    def need(self, word: str) -> None:
        if not self.take(word):
            raise Bad

    def value(self) -> object:
        self.blank()
        for word, meaning in (("true", True), ("false", False), ("null", None)):
            if self.take(word):
                return meaning
        if self.take("NaN") or self.take("Infinity") or self.take("-Infinity"):
            self.flawed = True
            return None
        if self.take("["):
            return self.items()
        if self.take("{"):
            return self.members()
        return self.string() if self.take('"') else self.number()

    def items(self) -> list[object]:
        found: list[object] = []
        self.blank()
        if self.take("]"):
            return found
        while True:
            found.append(self.value())
            self.blank()
            if self.take("]"):
                return found
            self.need(",")

    def members(self) -> dict[str, object]:
        found: dict[str, object] = {}
        self.blank()
        if self.take("}"):
            return found
        while True:
            self.blank()
            self.need('"')
            name = self.string()
            self.blank()
            self.need(":")
            self.flawed |= name in found
            found[name] = self.value()
            self.blank()
            if self.take("}"):
                return found
            self.need(",")

    def string(self) -> str:
        units: list[int] = []
        while not self.take('"'):
            if self.at >= len(self.text) or self.text[self.at] < " ":
                raise Bad
            if self.take("\\"):
                units.append(self.escape())
            else:
                encoded = self.text[self.at].encode("utf-16-be")
                units += [int.from_bytes(encoded[i : i + 2], "big") for i in range(0, len(encoded), 2)]
                self.at += 1
        text = b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "surrogatepass")
        self.flawed |= any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
        return text

    def escape(self) -> int:
        for letter, meaning in zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True):
            if self.take(letter):
                return ord(meaning)
        self.need("u")
        digits = self.text[self.at : self.at + 4]
        if len(digits) != 4 or any(c not in "0123456789abcdefABCDEF" for c in digits):
            raise Bad
        self.at += 4
        return int(digits, 16)

    def digits(self) -> int:
        start = self.at
        while self.text[self.at : self.at + 1] in tuple("0123456789"):
            self.at += 1
        if start == self.at:
            raise Bad
        return self.at - start

    def number(self) -> object:
        start, whole = self.at, True
        self.take("-")
        if not self.take("0"):
            self.digits()
        if self.take("."):
            whole = False
            self.digits()
        if self.take("e") or self.take("E"):
            whole = False
            self.take("+") or self.take("-")
            self.digits()
        literal = self.text[start : self.at]
        if whole:
            self.flawed |= not -(2**63) <= int(literal) < 2**63
            return int(literal)
        self.flawed |= math.isinf(float(literal))
        return float(literal)


def outcome(read: object) -> object:
    """What a reader makes of a text: its value (as text, so that 1, 1.0, True and -0.0 differ), or how it refuses."""
    assert callable(read)
    try:
        return repr(read())
    except (Bad, Malformed):
        return Malformed
    except (Flawed, InvalidInput):
        return InvalidInput


def flaws_of(raw: bytes | str, max_depth: int = 32) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse(raw if isinstance(raw, bytes) else raw.encode(), max_depth=max_depth)
    return {flaw.path: flaw.reason for flaw in caught.value.flaws}


class TestReading:
    @given(pieces)
    @example("[1,]")
    @example('{"a":1,}')
    @example('{"a":1,"a":1}')
    @example("[1e400]")
    @example("-0")
    @example("-0.0")
    @example("")
    def test_it_reads_exactly_json(self, text: str) -> None:
        """Against a reader written from RFC 8259: the same value, the same kind of refusal."""
        assert outcome(lambda: parse(text.encode())) == outcome(lambda: Reference(text).read())

    @given(values)
    def test_all_that_json_can_say_is_read_back(self, value: object) -> None:
        """In any spelling: escaped or not, spread out or not."""
        for ascii_only, indent in ((True, None), (False, None), (False, 1)):
            raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
            assert repr(parse(raw)) == repr(value)

    @given(st.binary(max_size=60))
    def test_any_bytes_get_one_of_two_refusals(self, raw: bytes) -> None:
        """And never another exception."""
        outcome(lambda: parse(raw))

    def test_a_float_is_the_nearest_double(self) -> None:
        """Digits beyond a double are lost, documented; whole numbers keep all digits."""
        assert repr(parse(b"[9007199254740993.0, 9007199254740993, 1e2, 1e-400]")) == repr(
            [2.0**53, 2**53 + 1, 100.0, 0.0]
        )


class TestMalformed:
    @pytest.mark.parametrize(
        ("raw", "offset"),
        [
            (b"", 0),
            (b"\xef\xbb\xbf{}", 0),
            (b'{"a": secret}', 6),
            (b'"\xff"', 1),
            ('["é", x]'.encode(), 7),
            (b"{} {}", 3),
            (b'"\xed\xa0\x80"', 1),
            ("{}".encode("utf-16"), 0),
            (b'{"a"}', 4),
        ],
    )
    def test_the_offset_is_in_bytes(self, raw: bytes, offset: int) -> None:
        """Where to look, by the bytes that were sent."""
        with pytest.raises(Malformed) as caught:
            parse(raw)
        assert caught.value.offset == offset

    @given(st.sampled_from(['{"key": "%s"', "%s", '"%s', '{"a": %s}', '"\\%s"', '"%s\udcff']))
    def test_the_text_is_never_echoed(self, form: str) -> None:
        """A body may hold a secret; neither the message nor what hangs on the error shows it."""
        with pytest.raises(Malformed) as caught:
            parse((form % "hunter2").encode("utf-8", "surrogateescape"))
        assert "hunter2" not in str(caught.value)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ('{"properties": {"total": 1e400}}', "properties.total"),
            ('{"grants": [{"view": NaN}]}', "grants.0.view"),
            ('{"a": [1, {"b": -Infinity}]}', "a.1.b"),
            ('{"a": {"b": 1, "b": 2}}', "a.b"),
            ('{"a": 9223372036854775808}', "a"),
            ('{"a": -9223372036854775809}', "a"),
            ('{"a": ["\\u0000"]}', "a.0"),
            ('{"a": ["x", "\\ud800"]}', "a.1"),
            ('{"a": {"\\ud800b": 1}}', "a.\ufffdb"),
            ('{"a": {"b\\u0000": 1}}', "a.b\ufffd"),
            ('{"a": "' + "x" * 100_001 + '"}', "a"),
            ('{"a": 1.' + "0" * 1000 + "}", "a"),
            ("NaN", ""),
            ('"\\u0000"', ""),
        ],
    )
    def test_the_path_of_the_flaw_is_named(self, text: str, path: str) -> None:
        """Dotted, list positions as numbers, the root empty."""
        assert list(flaws_of(text)) == [path]

    def test_every_flaw_is_named_up_to_twenty(self) -> None:
        """One answer names them all, but an answer has an end."""
        assert list(flaws_of('{"a": NaN, "b": [1, 1e999]}')) == ["a", "b.1"]
        assert len(flaws_of("[" + "NaN," * 1000 + "NaN]")) == 20

    def test_a_flaw_inside_a_repeated_member_is_found_too(self) -> None:
        """The duplicate does not hide the rest."""
        assert set(flaws_of('{"a": 1, "b": {"x": NaN}, "a": 2}')) == {"a", "b.x"}

    def test_long_names_are_cut_in_paths(self) -> None:
        """An answer doesn't grow with what was sent."""
        name = "n" * 100_001
        assert list(flaws_of(f'{{"{name}": 1}}')) == ["n" * 100 + "…"]

    def test_the_longest_text_is_fine(self) -> None:
        """The bound itself is allowed, counted in characters."""
        assert parse(json.dumps("é" * MAX_TEXT).encode()) == "é" * MAX_TEXT

    @pytest.mark.parametrize("digits", [5_000, 1_000_000])
    def test_long_runs_of_digits_cost_nothing(self, digits: int) -> None:
        """Turning digits into a number takes quadratic time, and Python refuses 4300 of them in its own way."""
        started = time.perf_counter()
        for form in ("[%s]", "[-%s]", "[%s.5]", "[0.%s]", "[1e%s]"):
            assert list(flaws_of(form % ("9" * digits))) == ["0"]
        assert time.perf_counter() - started < 5


class TestDepth:
    @given(st.integers(1, 8), st.lists(st.sampled_from("[{"), min_size=1, max_size=10))
    def test_the_depth_is_counted_exactly(self, max_depth: int, opened: list[str]) -> None:
        """Lists and objects alike; brackets inside texts don't count."""
        value: object = "[[[[{{{{" * 10
        for bracket in opened:
            value = [value] if bracket == "[" else {'[[{\\"': value}
        raw = json.dumps(value).encode()
        if len(opened) <= max_depth:
            assert parse(raw, max_depth=max_depth) == value
        else:
            assert "deeper" in next(iter(flaws_of(raw, max_depth).values()))

    def test_wide_is_not_deep(self) -> None:
        """Many brackets side by side are fine."""
        value = [[{}, [], "]"]] * 1000
        assert parse(json.dumps(value).encode(), max_depth=3) == value

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("[[[]]]", "0.0"),
            ('[1, "a,b", [0, [1]]]', "2.1"),
            ('{"a": 1, "b": {"c": "d", "e": {}}}', "b.e"),
            ('[{"a": []}]', "0.a"),
            ('[[1, 2], {"a": ["[", "]"]}]', "1.a"),
        ],
    )
    def test_the_path_leads_to_what_is_too_deep(self, text: str, path: str) -> None:
        """To the first bracket beyond the limit."""
        assert list(flaws_of(text, max_depth=2)) == [path]

    @pytest.mark.parametrize(
        "unit", ["[", "{", '{"a":', '[{"a":', '["', '\\"', '"\\"', "[]", "{},", '["\\', "]", '[["a", {"b":', "[1,"]
    )
    def test_a_megabyte_of_nesting_is_refused_quickly(self, unit: str) -> None:
        """No recursion, no quadratic time, one of the two refusals."""
        started = time.perf_counter()
        for text in (unit * (1_000_000 // len(unit)), "[" * 31 + unit * (1_000_000 // len(unit))):
            assert outcome(lambda text=text: parse(text.encode())) in (Malformed, InvalidInput)
        assert time.perf_counter() - started < 10


class TestCanonical:
    @pytest.mark.parametrize(
        ("value", "raw"),
        [
            (
                {"b": [1, 1.0, True, None], "a": "é\u2028😀"},
                b'{"a":"\\u00e9\\u2028\\ud83d\\ude00","b":[1,1.0,true,null]}',
            ),
            ({"z": {}, "B": [], "a": ""}, b'{"B":[],"a":"","z":{}}'),
            ({"\uffff": 1, "😀": 2}, b'{"\\uffff":1,"\\ud83d\\ude00":2}'),
            ([1e22, 0.1, -0.0, 2**63 - 1], b"[1e+22,0.1,-0.0,9223372036854775807]"),
            ('"\\/\n', b'"\\"\\\\/\\n"'),
            (None, b"null"),
        ],
    )
    def test_the_canonical_form_is_frozen(self, value: object, raw: bytes) -> None:
        """Fingerprints and ETags hang on it."""
        assert canonical(value) == raw

    @given(values)
    def test_it_reads_back_and_has_one_form(self, value: object) -> None:
        """Read and written again it is the same bytes, in any order of members."""
        raw = canonical(value)
        assert repr(parse(raw)) == repr(json.loads(raw))
        assert canonical(parse(raw)) == raw
        if isinstance(value, dict):
            assert canonical(dict(reversed(value.items()))) == raw

    @pytest.mark.parametrize(("value", "error"), [(math.nan, ValueError), (math.inf, ValueError), ({1, 2}, TypeError)])
    def test_what_is_not_json_is_not_written(self, value: object, error: type[Exception]) -> None:
        """NaN has no form."""
        with pytest.raises(error):
            canonical([value])


class TestText:
    @given(st.text(st.characters(categories=None)))
    def test_a_text_without_flaw_can_be_stored_anywhere(self, text: str) -> None:
        """It encodes, and has no NUL."""
        try:
            storable = b"\0" not in text.encode()
        except UnicodeEncodeError:
            storable = False
        assert (text_flaw(text) is None) == storable

    @given(st.text(st.characters(categories=None), max_size=200))
    def test_a_label_can_always_be_shown(self, name: str) -> None:
        """Whatever a member is called."""
        assert len(path_label(name).encode().decode()) <= 101
        assert text_flaw(path_label(name)) is None
