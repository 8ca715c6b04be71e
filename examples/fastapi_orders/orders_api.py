"""orders_api.py: an API over orders of its own, of which each key sees what its role in Bitting shows.

Bitting knows the dataset `orders` (its states and properties) and the roles; the orders themselves are in a database of
this service. Each request's key is verified with Bitting, which answers what the key reaches, and `visible` puts that
into the query: rows that don't exist for the key don't come back, and hidden cells are empty, in filters and sums too.
"""

from __future__ import annotations

import json
import os
import urllib.request
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from sqlalchemy import ColumnElement, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bitting.sqlalchemy import DataAccess, read_access, visible

BITTING = os.environ["BITTING_URL"]
VERIFY_KEY = os.environ["VERIFY_KEY"]  # a key without a role, whose scope is keys:verify
REFUSALS = {"insufficient_permission": 403, "ip_not_allowed": 403, "plan_required": 403}

app = FastAPI()
engine = create_engine(os.environ.get("ORDERS_DATABASE", "sqlite:///orders.db"))


class Base(DeclarativeBase):
    """This service's tables."""


class Order(Base):
    """An order. Bitting has no property for `margin`: no key with a role sees it."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    customer: Mapped[str]
    phone: Mapped[str | None]
    region: Mapped[str]
    cents: Mapped[int]
    placed: Mapped[date]
    margin: Mapped[int]


def fill() -> None:
    """Makes the table, with a few orders."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        if session.get(Order, 1) is None:
            session.add_all(
                [
                    Order(id=1, status="N", customer="Ada", phone="1", region="west", cents=900, margin=9, placed=DAY),
                    Order(id=2, status="P", customer="Ben", phone="2", region="west", cents=500, margin=5, placed=DAY),
                    Order(id=3, status="P", customer="Cleo", phone="3", region="east", cents=700, margin=7, placed=DAY),
                    Order(id=4, status="S", customer="Dan", phone="4", region="west", cents=100, margin=1, placed=DAY),
                ]
            )
            session.commit()


DAY = date(2026, 1, 2)


# --- who asks ------------------------------------------------------------------------------------


def verdict_on(key: str, address: str) -> dict[str, Any]:
    """Asks Bitting what a key may read of orders; without an answer, nobody gets in."""
    asked = {"key": key, "ip": address, "dataset": "orders", "action": "read"}
    question = urllib.request.Request(
        f"{BITTING}/v1/keys/verify",
        data=json.dumps(asked).encode(),
        headers={"X-Api-Key": VERIFY_KEY, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(question, timeout=5) as answer:
            verdict: dict[str, Any] = json.load(answer)
            return verdict
    except OSError:
        raise HTTPException(503, "Keys can't be checked right now.") from None


def reader(request: Request, x_api_key: Annotated[str, Header()] = "") -> DataAccess:
    """A dependency: what of the orders the caller's key shows."""
    verdict = verdict_on(x_api_key, request.client.host if request.client else "")
    if not verdict["valid"]:
        raise HTTPException(REFUSALS.get(verdict["code"], 401), verdict["reason"])
    return read_access(verdict["data"])


Access = Annotated[DataAccess, Depends(reader)]


def narrowed(statement: Any, access: DataAccess) -> Any:
    """A statement over orders as the key may see them: the one way to the table."""
    return visible(
        statement,
        access,
        dataset="orders",
        state=Order.status,
        state_values={"new": "N", "paid": "P", "shipped": "S"},
        columns={"total": Order.cents},
    )


# --- what is asked -------------------------------------------------------------------------------


@app.get("/orders")
def list_orders(access: Access, region: str | None = None, least: int | None = None) -> list[dict[str, Any]]:
    """Orders, dearest first."""
    conditions: list[ColumnElement[bool]] = []
    if region is not None:
        conditions.append(Order.region == region)
    if least is not None:
        conditions.append(Order.cents >= least)
    statement = select(Order).where(*conditions).order_by(Order.cents.desc().nulls_last(), Order.id)
    with Session(engine) as session:
        return [as_json(order) for order in session.scalars(narrowed(statement, access))]


@app.get("/orders/by-region")
def totals(access: Access) -> dict[str, Any]:
    """What was ordered in each region: hidden totals and regions count as empty."""
    statement = select(Order.region, func.count(), func.sum(Order.cents)).group_by(Order.region).order_by(Order.region)
    with Session(engine) as session:
        rows = session.execute(narrowed(statement, access)).all()
    return {region or "unknown": {"orders": count, "cents": cents} for region, count, cents in rows}


@app.get("/orders/{number}")
def read_order(number: int, access: Access) -> dict[str, Any]:
    """One order; one that the key doesn't see is not found."""
    with Session(engine) as session:
        order = session.scalar(narrowed(select(Order).where(Order.id == number), access))
    if order is None:
        raise HTTPException(404, "There is no such order.")
    return as_json(order)


def as_json(order: Any) -> dict[str, Any]:
    """An order as it is answered."""
    names = ("id", "status", "customer", "phone", "region", "cents", "placed", "margin")
    return {name: getattr(order, name) for name in names}


fill()
