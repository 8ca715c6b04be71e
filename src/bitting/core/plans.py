"""Plans: which include API keys. The operator's table; this is the one to start from (DESIGN §2)."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT_PLANS: Mapping[str, bool] = {
    "free": False,
    "small": True,
    "medium": True,
    "large": True,
    "unlimited": True,
}
SELF_HOSTED_PLAN = "unlimited"
