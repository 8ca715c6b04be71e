"""Keys: their text, frozen byte for byte, their hashes, and the wrapper that keeps them out of logs."""

import copy
import hashlib
import hmac
import json
import pickle
import time
from collections import Counter
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitting.core.tokens import (
    BASE62,
    RandomBelow,
    Secret,
    check_environment,
    check_prefix,
    checksum,
    digest,
    find_in,
    keys_in,
    mint,
    peppered,
    start_of,
    well_formed,
)

PLAIN = "bit_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd0iaTYD"
TEST = "bit_test_00000000000000000000000000000000000000004V7NF7"
LONG = "taapit_eu_zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONM4bCcKu"

ascii_letters = st.sampled_from("abcdefghijklmnopqrstuvwxyz")
prefixes = st.from_regex(r"[a-z]([a-z0-9_]{0,30}[a-z0-9])?", fullmatch=True)
environments = st.none() | st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True)
anything = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, categories=None))


def counting(*numbers: int) -> RandomBelow:
    """A source of "random" numbers that repeats the given ones."""
    source = cycle(numbers)
    return lambda below: next(source) % below


def crc32_by_hand(data: bytes) -> int:
    """CRC-32 bit by bit (ITU-T V.42), independent of zlib."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def from_base62(text: str) -> int:
    value = 0
    for character in text:
        value = value * 62 + BASE62.index(character)
    return value


def is_key(text: str) -> bool:
    """The format as DESIGN §2 words it, without a regular expression."""
    head, _, tail = text.rpartition("_")
    if not text.isascii() or len(tail) != 46 or not tail.isalnum():
        return False
    if crc32_by_hand(text[:-6].encode()) != from_base62(text[-6:]):
        return False
    before, underscore, environment = head.rpartition("_")
    with_environment = underscore and check_prefix(before) is None and check_environment(environment) is None
    return bool(check_prefix(head) is None or with_environment)


class TestFormat:
    def test_the_format_of_keys_is_frozen(self) -> None:
        """These keys are out there: what is minted and accepted may never change."""
        assert mint("bit", random=counting(*range(62))) == PLAIN
        assert mint("bit", "test", random=counting(0)) == TEST
        assert mint("taapit", "eu", random=counting(*range(61, -1, -1))) == LONG
        assert all(map(well_formed, (PLAIN, TEST, LONG)))

    def test_the_alphabet_is_frozen(self) -> None:
        """Base62 is digits, upper case, lower case: in code point order."""
        assert list(BASE62) == sorted(set(BASE62))
        assert len(BASE62) == 62

    def test_checksums_are_frozen(self) -> None:
        """CRC-32's check value is cbf43926 hex, and the empty text gives zeros."""
        assert checksum("") == "000000"
        assert from_base62(checksum("123456789")) == 0xCBF43926
        assert checksum("123456789") == "3jZRME"

    @given(st.text(st.characters(max_codepoint=127)))
    def test_the_checksum_is_the_crc32_in_six_digits(self, body: str) -> None:
        """Against a CRC computed bit by bit."""
        assert len(checksum(body)) == 6
        assert from_base62(checksum(body)) == crc32_by_hand(body.encode())

    @given(prefixes, environments)
    def test_every_minted_key_is_well_formed(self, prefix: str, environment: str | None) -> None:
        """Whatever the prefix and environment, and it shows where it comes from."""
        token = mint(prefix, environment)
        head = prefix if environment is None else f"{prefix}_{environment}"
        assert well_formed(token)
        assert is_key(token)
        assert token.startswith(head + "_")
        assert len(token) == len(head) + 47
        assert start_of(token) == token[: len(head) + 5]

    @given(st.sampled_from([PLAIN, TEST, LONG]), st.data())
    def test_one_changed_character_is_noticed(self, token: str, data: st.DataObject) -> None:
        """CRC-32 catches every single change in text of this length."""
        place = data.draw(st.integers(0, len(token) - 1))
        other = data.draw(st.sampled_from([c for c in BASE62 + "_-" if c != token[place]]))
        assert not well_formed(token[:place] + other + token[place + 1 :])

    @given(anything | anything.map(lambda text: text + checksum("x")))
    def test_no_text_makes_the_check_raise(self, text: str) -> None:
        """Surrogates, controls, digits of other scripts: all plainly not keys."""
        assert well_formed(text) == is_key(text)

    @pytest.mark.parametrize(
        "text",
        ["", "_", PLAIN + "\n", " " + PLAIN, PLAIN[:-1], PLAIN.upper(), "_" + PLAIN, "bit" + PLAIN[3:] * 9],
    )
    def test_what_is_nearly_a_key_is_none(self, text: str) -> None:
        """Nothing is trimmed or forgiven."""
        assert not well_formed(text)

    def test_a_right_checksum_does_not_save_a_wrong_shape(self) -> None:
        """A shape of another kind with its own true checksum stays refused."""
        for head in (
            "Bit",
            "1bit",
            "bit_",
            "_bit",
            "a" * 33,
            "a" * 34 + "_test",
            "bit-x",
            "bït",
            "a" * 20 + "_" + "b" * 17,
        ):
            body = f"{head}_{'0' * 40}"
            assert not well_formed(body + checksum(body.encode("ascii", "replace").decode()))

    def test_huge_texts_are_refused_at_once(self) -> None:
        """By their length, before anything looks at them."""
        started = time.perf_counter()
        assert not well_formed("a_" * 10_000_000)
        assert time.perf_counter() - started < 1

    def test_the_random_part_is_uniform(self) -> None:
        """Each of the 62 characters alike often: with a byte modulo 62 eight of them would lead by a quarter."""
        drawn = Counter("".join(mint("bit")[4:44] for _ in range(5_000)))
        expected = 200_000 / 62
        assert set(drawn) == set(BASE62)
        assert sum((count - expected) ** 2 / expected for count in drawn.values()) < 150  # chi², 61 degrees: p < 1e-8

    def test_two_keys_differ(self) -> None:
        """The source unless given is the operating system's."""
        assert len({mint("bit") for _ in range(1000)}) == 1000


class TestNames:
    @pytest.mark.parametrize("prefix", ["bit", "b", "taapit", "a1", "my_app", "a" * 32])
    def test_prefixes_that_are_allowed(self, prefix: str) -> None:
        """Lower-case letters, digits and inner underscores, up to 32."""
        assert check_prefix(prefix) is None

    @pytest.mark.parametrize("prefix", ["", "a" * 33, "1a", "_a", "a_", "A", "a-b", "é", "a\n", "a b", "²"])
    def test_prefixes_that_are_not_allowed(self, prefix: str) -> None:
        """Each with a reason, and nothing can be minted with them."""
        assert check_prefix(prefix)
        with pytest.raises(ValueError, match="prefix must"):
            mint(prefix)

    @pytest.mark.parametrize("environment", ["test", "t", "eu1", "a" * 16])
    def test_environments_that_are_allowed(self, environment: str) -> None:
        """Lower-case letters and digits, up to 16."""
        assert check_environment(environment) is None

    @pytest.mark.parametrize("environment", ["", "a" * 17, "1a", "a_b", "Test", "test\n", "ü"])
    def test_environments_that_are_not_allowed(self, environment: str) -> None:
        """Each with a reason, and nothing can be minted with them."""
        assert check_environment(environment)
        with pytest.raises(ValueError, match="environment must"):
            mint("bit", environment)


class TestFinding:
    @given(anything, st.sampled_from([PLAIN, TEST, LONG]), anything)
    def test_a_key_is_found_whatever_stands_around_it(self, before: str, token: str, after: str) -> None:
        """Even glued to other text, as in an unquoted URL."""
        assert find_in(before + token + after)

    @given(st.lists(st.sampled_from([*"bit_0aA=", PLAIN, PLAIN[:-1], TEST[4:], "bit_" + "0" * 46]), max_size=8))
    def test_finding_agrees_with_looking_at_every_part(self, parts: list[str]) -> None:
        """Against the check of every substring that could be a key."""
        text = "".join(parts)
        everywhere = (text[i:j] for i in range(len(text)) for j in range(i + 48, min(i + 97, len(text) + 1)))
        assert find_in(text) == any(map(well_formed, everywhere))

    def test_all_keys_are_found_in_order(self) -> None:
        """A scanner gets each of them whole."""
        text = f"GET /v1/keys?key={PLAIN}&b={TEST} 'x{LONG}x' {PLAIN[:-1]}0"
        assert list(keys_in(text)) == [PLAIN, TEST, LONG]

    @pytest.mark.parametrize(
        "unit", ["_", "a", "a_", "A", "bit_" + "0" * 46, "a" * 49 + "_" + "0" * 46, PLAIN[:-1] + "_"]
    )
    def test_hostile_texts_take_linear_time(self, unit: str) -> None:
        """A megabyte of nearly-keys is searched in seconds at the very worst, not in hours."""
        started = time.perf_counter()
        assert not find_in(unit * (1_000_000 // len(unit)))
        assert time.perf_counter() - started < 10


class TestStart:
    def test_the_start_shows_prefix_environment_and_four_characters(self) -> None:
        """Enough to recognise a key by, 214 bits short of using it."""
        assert start_of(PLAIN) == "bit_0123"
        assert start_of(TEST) == "bit_test_0000"

    def test_foreign_keys_show_little_and_short_ones_nothing(self) -> None:
        """Of a format that we don't know, four characters of at least 24."""
        assert start_of("sk_live_" + "x" * 24) == "sk_l"
        assert start_of("hunter2") == ""
        assert start_of("é" * 30) == ""
        assert start_of("\x1b[2J" * 10) == ""


class TestHashes:
    def test_the_stored_hashes_are_frozen(self) -> None:
        """Rows hold these bytes: another result locks everybody out."""
        assert digest(PLAIN).hex() == hashlib.new("sha256", PLAIN.encode("ascii")).hexdigest()
        assert digest(PLAIN).hex() == "1e3e8bd8e55ec0d2c60ee081905d80c7b6cf2e1d20d09c24d886f027290e1c37"
        assert (
            peppered(digest(PLAIN), b"pepper").hex()
            == "1c1e2fb22ea0b94c7038fff5b5132b3efa6a00ad061e24b15f8472c3d06076eb"
        )

    @given(st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=100))
    def test_a_pepper_is_an_hmac_over_the_digest(self, stored: bytes, pepper: bytes) -> None:
        """HMAC-SHA-256 with the pepper as key, by the definition in RFC 2104."""
        key = (hashlib.sha256(pepper).digest() if len(pepper) > 64 else pepper).ljust(64, b"\0")
        inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + stored).digest()
        assert peppered(stored, pepper) == hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()
        assert hmac.compare_digest(peppered(stored, pepper), hmac.new(pepper, stored, "sha256").digest())

    def test_an_empty_pepper_is_refused(self) -> None:
        """It would look like protection and be none."""
        with pytest.raises(ValueError, match="empty"):
            peppered(digest(PLAIN), b"")

    @given(anything)
    def test_any_text_can_be_hashed(self, text: str) -> None:
        """A hostile header must not raise; different texts differ."""
        assert len(digest(text)) == 32
        assert digest(text) != digest(text + "\ud800")


class TestSecret:
    def test_no_way_of_printing_shows_the_value(self) -> None:
        """Neither alone nor inside of something else."""
        secret = Secret(PLAIN)
        printed = [repr(secret), str(secret), f"{secret}", f"{secret!r:>80}", f"{secret:>80}", "%s" % secret]  # noqa: UP031
        printed += [str([secret]), str({"key": secret}), str(ValueError(secret))]
        assert not any(PLAIN[8:] in text or PLAIN[-10:] in text for text in printed)
        assert repr(secret) == "<secret bit_0123…>"

    def test_a_secret_of_another_kind_shows_nothing_at_all(self) -> None:
        """A password's first letters are part of the password."""
        assert f"{Secret('hunter2 hunter2 hunter2 hunter2')}" == "<secret>"

    def test_reveal_gives_the_value(self) -> None:
        """The one door."""
        assert Secret(PLAIN).reveal() == PLAIN

    def test_it_can_not_be_written_anywhere(self) -> None:
        """Pickle, JSON and vars() find nothing."""
        secret = Secret(PLAIN)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError):
                pickle.dumps(secret, protocol)
        with pytest.raises(TypeError):
            json.dumps(secret)
        with pytest.raises(TypeError):
            vars(secret)
        with pytest.raises(TypeError):
            secret.__getstate__()

    def test_copies_are_the_secret_itself(self) -> None:
        """So that dataclasses that hold one can be copied."""
        secret = Secret(PLAIN)
        assert copy.copy(secret) is secret
        assert copy.deepcopy([secret])[0] is secret

    @given(anything, anything)
    def test_secrets_are_equal_when_their_values_are(self, one: str, other: str) -> None:
        """Texts with surrogates included; never equal to the bare text."""
        assert Secret(one) == Secret(one)
        assert (Secret(one) == Secret(other)) == (one == other)
        assert Secret(one) != one

    def test_a_secret_is_no_key_of_a_dict(self) -> None:
        """Look-ups go by digest."""
        with pytest.raises(TypeError):
            hash(Secret(PLAIN))


@given(st.text(alphabet="ab_0Z", max_size=90), st.text(alphabet="Zz09_a", max_size=60), st.booleans())
def test_keys_are_found_as_trying_every_place_finds_them(before: str, noise: str, key: bool) -> None:
    """Against the plainest search there is."""
    text = before + (mint("ab", "a0") if key else "") + noise
    every = (text[start:end] for end in range(len(text) + 1) for start in range(end))
    assert find_in(text) == any(len(part) >= 48 and well_formed(part) for part in every)
