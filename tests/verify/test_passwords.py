"""Passwords: Argon2id, bounds on what is hashed, and no hint in what is raised."""

import unicodedata

import pytest

from bitting.core.problems import InvalidInput
from bitting.verify import passwords
from bitting.verify.passwords import check_password, hash_password

PASSWORD = "correct horse battery"


def test_a_password_is_checked_against_its_hash() -> None:
    """The right one passes, any other doesn't."""
    stored = hash_password(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored
    assert check_password(stored, PASSWORD)
    assert not check_password(stored, PASSWORD + " ")


def test_two_hashes_of_one_password_differ() -> None:
    """Each has a salt of its own."""
    assert hash_password(PASSWORD) != hash_password(PASSWORD)


def test_nobody_passes_without_a_stored_password() -> None:
    """Neither with the password that stands in for one, nor with an unreadable hash."""
    assert not check_password(None, PASSWORD)
    assert not check_password(None, "nobody's password")
    assert not check_password("not a hash", PASSWORD)


def test_keyboards_that_compose_characters_differently_agree() -> None:
    """é as one character or as two is one password."""
    composed, decomposed = (unicodedata.normalize(form, "fiancée fiancée") for form in ("NFC", "NFD"))
    assert check_password(hash_password(composed), decomposed)


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 1001, "long enough \0", "long enough \ud800"])
def test_what_is_not_accepted_is_not_repeated(password: str) -> None:
    """Too short, too long, or nothing that can be encoded: the reason doesn't quote it."""
    with pytest.raises(InvalidInput) as caught:
        hash_password(password)
    (flaw,) = caught.value.flaws
    assert flaw.path == "password"
    assert not password or password not in flaw.reason
    assert not check_password(hash_password(PASSWORD), password)


def test_what_is_far_too_long_is_not_even_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many marks on one letter take quadratic time, in which nobody else is answered."""
    stored = hash_password(PASSWORD)

    def too_slow(form: str, text: str) -> str:
        raise AssertionError(f"{len(text)} characters were put into {form}")

    monkeypatch.setattr(passwords, "normalize", too_slow)
    marks = "a" + "\u0315" * 40_000 + "\u0300" * 40_000
    assert not check_password(stored, marks)
    with pytest.raises(InvalidInput):
        hash_password(marks)
