"""A thousand plausible records: the same ones from the same seed, their times counted back from now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from bitting.core.ids import new_id
from bitting.core.schema import Dataset
from bitting.core.values import format_instant, store_value
from bitting.sample.shapes import REGIONS, SOURCES
from bitting.sample.words import FIRM_KINDS, FIRM_WORDS, FIRST_NAMES, LAST_NAMES, LEAD_NOTES, ORDER_NOTES, TAGS
from bitting.store.records import StoredRecord

SEED = 20_261_122
LEAD_COUNT = 600
ORDER_COUNT = 400

_DAY = 86_400_000_000  # microseconds
_SPAN = 180 * _DAY
_LEAD_STATES = {"new": 30, "contacted": 35, "won": 20, "lost": 15}
_ORDER_STATES = {"draft": 15, "paid": 35, "shipped": 42, "refunded": 8}


class Maker:
    """Draws records.

    Args:
        now: microseconds UTC; all is older.
        people: ids of users, to assign leads to.
    """

    def __init__(self, now: int, people: Sequence[str]) -> None:
        self._now, self._people = now, list(people)
        self._random = Random(SEED)  # noqa: S311 - plausible, not secret

    def leads(self, dataset: Dataset) -> list[StoredRecord]:
        """The leads, oldest first."""
        return [self._record(dataset, _LEAD_STATES, self._lead(), at) for at in self._times(LEAD_COUNT)]

    def orders(self, dataset: Dataset, leads: Sequence[StoredRecord]) -> list[StoredRecord]:
        """The orders, oldest first; many of them came from leads.

        leads: what `leads` gave.
        """
        ids = [lead.id for lead in leads]
        return [
            self._record(dataset, _ORDER_STATES, self._order(at, number, ids), at)
            for number, at in enumerate(self._times(ORDER_COUNT), start=1)
        ]

    def _times(self, count: int) -> list[int]:
        """Instants in the last half year, more of them of late."""
        return sorted(self._now - _DAY // 24 - int(_SPAN * self._random.random() ** 1.5) for _ in range(count))

    def _record(self, dataset: Dataset, states: dict[str, int], values: dict[str, Any], at: int) -> StoredRecord:
        (state,) = self._random.choices(list(states), weights=list(states.values()))
        data = {}
        for name, value in values.items():
            prop = dataset.properties_by_name[name]
            stored = store_value(prop, value, name)
            if stored is not None:
                data[f"p{prop.id}"] = stored
        changed = at if state in ("new", "draft") else min(at + self._random.randrange(_DAY, 20 * _DAY), self._now)
        return StoredRecord(
            id=new_id("rec"),
            dataset_id=dataset.id,
            state_id=dataset.states_by_name[state].id,
            author=self._random.choice([*self._people, None]),
            data=data,
            created_at=at,
            updated_at=changed,
        )

    def _lead(self) -> dict[str, Any]:
        pick, random = self._random.choice, self._random
        first, last, firm = pick(FIRST_NAMES), pick(LAST_NAMES), f"{pick(FIRM_WORDS)} {pick(FIRM_KINDS)}"
        return {
            "company": firm,
            "contact": f"{first} {last}",
            "email": _address(first, last, firm),
            "phone": self._maybe(0.7, f"+1 555 01{random.randrange(100):02}"),
            "source": pick(SOURCES),
            "value": round(random.lognormvariate(8.5, 0.9), 2),
            "employees": int(random.lognormvariate(3.5, 1.2)) + 1,
            "newsletter": random.random() < 0.4,
            "nextCall": self._maybe(0.6, self._soon()),
            "tags": sorted(random.sample(TAGS, random.choice((0, 0, 1, 1, 2, 3)))),
            "assignee": self._maybe(0.8, pick(self._people)),
            "notes": self._maybe(0.3, pick(LEAD_NOTES)),
        }

    def _order(self, at: int, number: int, leads: Sequence[str]) -> dict[str, Any]:
        pick, random = self._random.choice, self._random
        items = min(int(random.expovariate(0.4)) + 1, 20)
        return {
            "reference": f"A-{10_000 + number}",
            "customer": f"{pick(FIRST_NAMES)} {pick(LAST_NAMES)}",
            "region": pick(REGIONS),
            "total": round(items * random.uniform(9, 240), 2),
            "items": items,
            "placedAt": format_instant(at - at % 1_000_000),
            "lead": self._maybe(0.5, pick(leads)),
            "notes": self._maybe(0.2, pick(ORDER_NOTES)),
        }

    def _maybe(self, chance: float, value: Any) -> Any:
        return value if self._random.random() < chance else None

    def _soon(self) -> str:
        today = datetime.fromtimestamp(self._now // 1_000_000, UTC).date()
        return (today + timedelta(days=self._random.randrange(1, 60))).isoformat()


_ASCII = str.maketrans({"ë": "e", "ö": "o", "ü": "u", "á": "a"})


def _address(first: str, last: str, firm: str) -> str:
    """An address that can't be anybody's: RFC 2606 keeps .example free."""
    name = f"{first}.{last}".lower().translate(_ASCII)
    return f"{name}@{firm.lower().replace(' & ', '-').replace(' ', '-')}.example"
