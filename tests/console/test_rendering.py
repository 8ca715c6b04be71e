"""How times and numbers are written in pages."""

from __future__ import annotations

import pytest

from bitting.console.rendering import Written


@pytest.mark.parametrize(
    ("language", "value", "text"),
    [
        ("en", 1234567.25, "1,234,567.25"),
        ("en", 146.0, "146"),
        ("en", 3.14159265, "3.14159265"),
        ("en", 0.00012345, "1.2345E-4"),
        ("fr", 1234.5, "1\N{NARROW NO-BREAK SPACE}234,5"),
        ("uk", 1234.5, "1\N{NO-BREAK SPACE}234,5"),
    ],
)
def test_a_record_s_number_keeps_all_its_digits(language: str, value: float, text: str) -> None:
    assert Written(language).exact(value) == text


@pytest.mark.parametrize(("language", "text"), [("en", "8 Jan 2027"), ("fr", "8 janv. 2027"), ("uk", "8 січ. 2027")])
def test_days_are_written_alike_whether_they_are_of_a_time_or_not(language: str, text: str) -> None:
    written = Written(language)
    assert written.bare_day("2027-01-08") == f'<time datetime="2027-01-08">{text}</time>'
    assert f">{text}</time>" in written.day("2027-01-08T23:59:59Z")
    assert f">{text}, 23:59 UTC</time>" in written.instant("2027-01-08T23:59:59Z")
