"""Users: from a request to facts."""

import pytest

from bitting.core.authority import UserType
from bitting.core.limits import RateLimit
from bitting.core.principal import UserFacts
from bitting.core.problems import InvalidInput
from bitting.users.service import merge

ADA = UserFacts("usr_x", "ada@example.com", "Ada", UserType.USER, 3, enabled=True)


def test_what_is_not_given_stays() -> None:
    """A merge changes what it names, null included."""
    assert merge(ADA, {}) == ADA
    merged = merge(ADA, {"role": None, "enabled": False, "userType": "owner"})
    assert merged == UserFacts("usr_x", "ada@example.com", "Ada", UserType.OWNER, None, enabled=False)


def test_rate_limits_are_replaced_as_a_whole() -> None:
    """Lists have no merge (RFC 7396)."""
    limited = merge(ADA, {"rateLimits": [{"name": "burst", "limit": 5, "windowSeconds": 60}]})
    assert limited.rate_limits == (RateLimit("burst", 5, 60),)
    assert merge(limited, {"rateLimits": []}) == ADA


def test_every_flaw_is_named_at_once() -> None:
    """One answer tells all that is wrong."""
    limit = {"name": "burst", "limit": 5, "windowSeconds": 60}
    with pytest.raises(InvalidInput) as caught:
        merge(ADA, {"email": "no address", "rateLimits": [limit, limit]})
    assert [flaw.path for flaw in caught.value.flaws] == ["email", "rateLimits.1.name"]
