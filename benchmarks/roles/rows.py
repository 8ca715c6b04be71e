"""The orders and the leads: the same ones every time, drawn from one seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits
from typing import NamedTuple

SEED = 20_260_101
BASE = 1_767_225_600_000_000  # 2026-01-01 UTC, in microseconds
STATES = {"new": 15, "paid": 40, "shipped": 25, "refunded": 10, "cancelled": 10}  # the weights in per cent
REGIONS = ("north", "south", "east", "west", "centre", "coast", "hills", "lakes")
TOTALS = range(20_000)

_STEP = 30_000_000


class Order(NamedTuple):
    """One order; instants in microseconds UTC. None: missing."""

    number: int
    id: str
    state: str
    author: str | None
    created: int
    updated: int
    archived: int | None
    total: int | None
    region: str | None
    margin: float | None
    phone: str | None


def orders(count: int) -> Iterator[Order]:
    """That many orders, oldest first; one in a hundred is archived."""
    random = Random(SEED)
    people = [_id(random, "usr") for _ in range(50)]
    states = random.choices(list(STATES), weights=list(STATES.values()), k=count)
    for number, state in enumerate(states, start=1):
        created = BASE + number * _STEP
        updated = created + random.randrange(_STEP * 1000)
        yield Order(
            number=number,
            id=_id(random, "rec"),
            state=state,
            author=random.choice(people) if random.random() < 0.8 else None,
            created=created,
            updated=updated,
            archived=updated if random.random() < 0.01 else None,
            total=random.randrange(TOTALS.stop) if random.random() < 0.97 else None,
            region=random.choice(REGIONS) if random.random() < 0.97 else None,
            margin=round(random.uniform(-0.25, 0.75), 4) if random.random() < 0.95 else None,
            phone=f"+1 555 {random.randrange(10_000):04}" if random.random() < 0.8 else None,
        )


class Lead(NamedTuple):
    """A record of another dataset, which stands in the same table."""

    id: str
    created: int
    source: str
    value: int


def leads(count: int) -> Iterator[Lead]:
    """That many leads, oldest first."""
    random = Random(SEED + 1)
    for number in range(count):
        yield Lead(_id(random, "rec"), BASE + number * _STEP * 10, random.choice(REGIONS), random.randrange(1_000_000))


def _id(random: Random, kind: str) -> str:
    return f"{kind}_{''.join(random.choices(digits + ascii_letters, k=22))}"
