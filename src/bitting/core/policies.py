"""Policies of a workspace about its keys. They bind writes; keys made before them go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bitting.core.decisions import ALLOWED, Decision, insufficient
from bitting.core.principal import KeyFacts
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import counted

DAY = 86_400_000_000  # microseconds
MAX_LIFE_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Policies:
    """What an owner asks of every key that is written from now on."""

    role_required: bool = False
    max_life_days: int | None = None
    ip_required: bool = False
    personal_keys: bool = True

    def as_json(self) -> dict[str, object]:
        return {
            "roleRequired": self.role_required,
            "maxLifeDays": self.max_life_days,
            "ipRequired": self.ip_required,
            "personalKeys": self.personal_keys,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Policies:
        """Reads what `as_json` wrote, or a part of it: the rest keeps its default."""
        names = {"roleRequired": "role_required", "maxLifeDays": "max_life_days", "ipRequired": "ip_required",
                 "personalKeys": "personal_keys"}  # fmt: skip
        return cls(**{**asdict(cls()), **{names[name]: value for name, value in stored.items()}})


def check_policies(policies: Policies, before: KeyFacts | None, after: KeyFacts) -> Decision:
    """Holds a key against the policies: all of it when it is created, what changes when it is changed.

    Returns:
        A denial when personal keys are not allowed.

    Raises:
        InvalidInput: naming each field that breaks a policy.
    """
    if before is None and after.owner is not None and not policies.personal_keys:
        return insufficient("This workspace's policy allows no personal keys.")
    flaws = []
    if policies.role_required and after.role is None and (before is None or before.role is not None):
        flaws.append(Flaw("role", "this workspace's policy asks for a role"))
    if policies.ip_required and not after.allowed_ips and (before is None or before.allowed_ips):
        flaws.append(Flaw("allowedIps", "this workspace's policy asks for an allow-list"))
    if before is None or before.expires_at != after.expires_at:
        flaws += _life_flaws(policies, after)
    if flaws:
        raise InvalidInput(flaws)
    return ALLOWED


def _life_flaws(policies: Policies, key: KeyFacts) -> list[Flaw]:
    days = policies.max_life_days
    if days is None or (key.expires_at is not None and key.expires_at <= key.created_at + days * DAY):
        return []
    reason = counted("this workspace's policy asks for an end at most %(num)d days after the key's creation", days)
    return [Flaw("expiresAt", reason)]
