"""E-mail addresses: what is accepted, and what never gets into a header."""

import pytest

from bitting.core.emails import check_email


@pytest.mark.parametrize("email", ["a@b", "ada.lovelace+keys@example.com", "ÄÖ@müller.example", "o'neil@x.example"])
def test_ordinary_addresses_are_accepted(email: str) -> None:
    """One name, one @, one domain."""
    assert check_email(email) is None


@pytest.mark.parametrize("email", ["", "@", "a@", "@b", "ab", "a@b@c", "a@b@", "x" * 253 + "@b"])
def test_what_is_no_address_is_refused(email: str) -> None:
    """No name, no domain, several @, too long."""
    assert check_email(email) is not None


@pytest.mark.parametrize("character", [*' <>(),;:"[]\\', "\n", "\r", "\t", "\0", "\x7f", "\u00a0", "\u200b", "\u202e"])
@pytest.mark.parametrize("place", ["{}a@b", "a{}a@b", "a@b{}b", "a@b{}"])
def test_nothing_that_could_mean_another_address_in_a_header(character: str, place: str) -> None:
    """Spaces, control and format characters, and what separates or quotes addresses."""
    assert check_email(place.format(character)) is not None


@pytest.mark.parametrize("email", ["=?utf-8?q?a=40evil.example=2C?=@b", "a@=?utf-8?b?Yg==?=", "a=?@b"])
def test_nothing_that_reads_as_another_address_once_decoded(email: str) -> None:
    """Encoded words: this one's header would be `To: a@evil.example,@b`."""
    assert check_email(email) is not None


def test_an_equals_sign_alone_is_ordinary() -> None:
    assert check_email("bounce+ada=example.com@lists.example") is None
