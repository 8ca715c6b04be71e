"""What holds the answers against what was done finds each kind of wrong answer."""

from __future__ import annotations

import pytest

from tests.faults.load import NO_ANSWER, Asked, Key, Keys, wrongs

BOUND = 0.5
GOOD, GONE, ASKED = Key("good", "1"), Key("gone", "2", revoking=10.0, revoked=11.0), Key("asked", "3", revoking=10.0)
KEYS = Keys([GOOD, GONE, ASKED], ["noise"])


@pytest.mark.parametrize(
    ("secret", "begun", "said", "why"),
    [
        ("good", 1, "valid", None),
        ("good", 1, "invalid_key", "a key is lost"),
        ("good", 1, "rate_limited", "a key is lost"),
        ("good", 1, "revoked_key", "never revoked"),
        ("good", 1, "unavailable", "a key is lost"),
        ("good", 1, "refused", None),
        ("noise", 1, "invalid_key", None),
        ("noise", 1, "valid", "never was"),
        ("noise", 1, "revoked_key", "never was"),
        ("gone", 1, "valid", None),
        ("gone", 1, "revoked_key", "never revoked"),
        ("gone", 10.5, "revoked_key", None),
        ("gone", 11.4, "valid", None),
        ("gone", 11.6, "valid", "after its revocation"),
        ("gone", 99, "invalid_key", "a key is lost"),
        ("asked", 99, "valid", None),
        ("asked", 99, "revoked_key", None),
    ],
)
def test_an_answer_is_right_or_wrong(secret: str, begun: float, said: str, why: str | None) -> None:
    """By when it was asked for, and what had been answered by then."""
    found = wrongs(KEYS, [Asked(secret, begun, begun + 0.01, said)], BOUND, allowed=NO_ANSWER)
    assert len(found) == (why is not None)
    assert why is None or why in found[0]


@pytest.mark.parametrize(("later", "wrong"), [(0.4, False), (0.6, True)])
def test_what_was_refused_once_stays_refused(later: float, wrong: bool) -> None:
    """Also where nobody knows whether the revocation was done: once it was seen, it was."""
    asked = [Asked("asked", 20.0, 20.01, "revoked_key"), Asked("asked", 20.01 + later, 21.0, "valid")]
    assert bool(wrongs(KEYS, asked, BOUND)) is wrong
