"""Somebody's own orders: a mapped class with a column of each kind, as no table of ours is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from bitting.core.schema import Dataset, Property, PropertyType, State


class Region(Enum):
    """Kept by name, and known to Bitting by value."""

    EAST = "east"
    WEST = "west"
    OST = "Ost"


class Base(DeclarativeBase):
    """Their tables."""


class Order(Base):
    """An order."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    status: Mapped[str | None] = mapped_column(sa.String(20))
    creator: Mapped[str | None] = mapped_column(sa.String(40))
    made: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    changed: Mapped[datetime] = mapped_column(sa.DateTime())
    note: Mapped[str | None] = mapped_column(sa.Text)
    total_cents: Mapped[int | None] = mapped_column("total", sa.BigInteger, index=True)
    weight: Mapped[float | None] = mapped_column(sa.Double)
    margin: Mapped[Decimal | None] = mapped_column(sa.Numeric(asdecimal=False))
    flag: Mapped[bool | None] = mapped_column(sa.Boolean)
    due: Mapped[date | None] = mapped_column(sa.Date)
    at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    seen: Mapped[datetime | None] = mapped_column(sa.DateTime())
    region: Mapped[Region | None] = mapped_column(sa.Enum(Region, native_enum=False))
    owner: Mapped[str | None] = mapped_column(sa.String(40))
    tags: Mapped[Any | None] = mapped_column(sa.JSON)
    secret: Mapped[str | None] = mapped_column(sa.String(40), deferred=True)
    lines: Mapped[list[Line]] = relationship(viewonly=True)


class Line(Base):
    """A line of an order."""

    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(sa.ForeignKey("orders.id"))
    amount: Mapped[int]


ORDERS: Any = Order.__table__
STATES = {"new": "NEW", "paid": "PAID", "shipped": ["SHIPPED", "DELIVERED"]}
MAPPED: dict[str, Any] = {
    "dataset": "orders",
    "state": Order.status,
    "author": Order.creator,
    "created": Order.made,
    "updated": "changed",
    "state_values": STATES,
    "columns": {"total": Order.total_cents},
}

_TYPES = {
    "note": PropertyType.TEXT,
    "total": PropertyType.INTEGER,
    "weight": PropertyType.NUMBER,
    "margin": PropertyType.NUMBER,
    "flag": PropertyType.BOOLEAN,
    "due": PropertyType.DATE,
    "at": PropertyType.DATETIME,
    "seen": PropertyType.DATETIME,
    "region": PropertyType.CHOICE,
    "owner": PropertyType.USER,
}
DATASET = Dataset(
    1,
    "orders",
    "",
    tuple(State(10 + place, name, "") for place, name in enumerate(STATES)),
    tuple(
        Property(101 + place, name, "", kind, options=tuple(region.value for region in Region))
        for place, (name, kind) in enumerate(_TYPES.items())
    ),
)
"""What Bitting knows of an order: nothing of `secret`."""


def access(where: Any = None, states: tuple[str, ...] = tuple(STATES), **properties: Any) -> dict[str, Any]:
    """An access to orders; each keyword is a property and the condition under which it is shown."""
    return {
        "dataset": "orders",
        "action": "read",
        "where": {} if where is None else where,
        "properties": properties,
        "types": {name: kind.value for name, kind in _TYPES.items()},
        "states": list(states),
    }
