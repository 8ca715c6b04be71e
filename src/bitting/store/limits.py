"""What is spent of limits and quotas, as far as processes share it through the database.

The clock is the database's own; with SQLite, whose processes are on one machine, that machine's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Table, cast, extract, func, literal, tuple_
from sqlalchemy.exc import IntegrityError

from bitting.core import gcra
from bitting.core.gcra import Rate
from bitting.core.limits import Quota, RateLimit
from bitting.core.quotas import Spent, lease, period_end, standing
from bitting.store.tables import limit_states, quota_states
from bitting.store.tenant import TenantQueries

SECONDS = 5.0
"""How long a call may wait for a draw or a lease."""
_SWEPT = 100  # rows that are removed at a time


@dataclass(frozen=True, slots=True)
class Leased:
    """What was given of a window: so many calls, and after how many microseconds it would be full again."""

    calls: int
    full_in: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was given of a quota: so many calls, what is left, of which period, and microseconds until that ends."""

    calls: int
    left: int
    period: int
    ends_in: int | None


class LimitQueries(TenantQueries):
    """Limits and quotas of one workspace."""

    def lease(self, subject: str, rule: RateLimit, need: int, want: int) -> Leased:
        """Takes calls of a window: as many as wanted, or what is left, or none when that is less than needed.

        Who leases several in one transaction does so in the order of (subject, name): two that went the opposite ways
        would wait for each other.
        """
        rate = _whole(rule)
        named = (limit_states.c.subject == subject, limit_states.c.name == rule.name)
        found = self._locked(limit_states, named, {"subject": subject, "name": rule.name, "full_at": 0})
        if found is None:
            return Leased(0, rate.window)
        now: int = found.now
        state = found.full_at * rate.limit
        left = gcra.left(rate, state, now)
        calls = min(want, left) if need <= left else 0
        full_in = gcra.full_in(rate, gcra.settled(rate, state, now) + calls * rate.step, now)
        self.connection.execute(self._update(limit_states).where(*named).values(full_at=now + full_in))
        return Leased(calls, full_in)

    def draw(self, key_id: str, quota: Quota, *, need: int, held: int, returned: Spent) -> Drawn:
        """Takes calls of a quota: a lease, or none when there is less than needed.

        Args:
            key_id: whose quota.
            quota: as it is now.
            need: what is missing for the call at hand; 0 when there is none.
            held: what the process has and keeps.
            returned: what it had and gives back, of a period.
        """
        named = (quota_states.c.key_id == key_id,)
        found = self._locked(quota_states, named, {"key_id": key_id, "period": 0, "spent": 0})
        if found is None:
            return Drawn(0, 0, 0, None)
        back = returned.spent if returned.period == found.period else 0
        now: int = found.now
        state = standing(Spent(found.period, max(0, found.spent - back)), quota.refill, now)
        available = max(0, quota.limit - state.spent)
        calls = lease(available, need, held)
        values = {"period": state.period, "spent": state.spent + calls}
        self.connection.execute(self._update(quota_states).where(*named).values(values))
        end = period_end(quota.refill, now)
        return Drawn(calls, available - calls, state.period, None if end is None else end - now)

    def give_back(self, key_id: str, returned: Spent) -> None:
        """Gives back what a process drew of a period and didn't use."""
        ours = (quota_states.c.key_id == key_id, quota_states.c.period == returned.period)
        spent = quota_states.c.spent - returned.spent
        self.connection.execute(self._update(quota_states).where(*ours).values(spent=spent))

    def _locked(self, table: Table, named: tuple[ColumnElement[bool], ...], fresh: dict[str, Any]) -> Row[Any] | None:
        """The row and the clock's `now`, the row made if it is missing; None when the workspace is gone."""
        query = self._select(table, *table.c, self._clock().label("now")).where(*named).with_for_update()
        found = self.connection.execute(query).first()
        if found is not None:
            return found
        if table is limit_states:
            self._sweep()
        try:
            with self.connection.begin_nested():
                self.connection.execute(self._insert(table, fresh))
        except IntegrityError:  # another process was quicker, or there is no such workspace any more
            pass
        return self.connection.execute(query).first()

    def _sweep(self) -> None:
        """Removes states that say nothing any more, but for those that somebody holds just now."""
        place = (limit_states.c.subject, limit_states.c.name)
        idle = self._select(limit_states, *place).where(limit_states.c.full_at < self._clock())
        rows = self.connection.execute(idle.limit(_SWEPT).with_for_update(skip_locked=True)).all()
        if rows:
            gone = tuple_(*place).in_([tuple(row) for row in rows])
            self.connection.execute(self._delete(limit_states).where(gone))

    def _clock(self) -> ColumnElement[int]:
        if self.connection.dialect.name == "sqlite":
            return literal(time.time_ns() // 1000, BigInteger)
        return cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)


def _whole(rule: RateLimit) -> Rate:
    """A limit for states that are kept in whole microseconds.

    Where a call takes a millisecond or more, that is rounded up to whole microseconds (0.1 % at most), so that `limit`
    single calls still make one window. Where it takes less, leases are large, and each is rounded up.
    """
    rate = Rate(rule)
    call = -(-rate.window // rate.limit)
    if call >= 1000:
        rate.window = rate.step = call * rate.limit
        rate.span = rate.window * rate.limit
    return rate
