"""A narrowed statement in async engines and sessions."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from bitting.sqlalchemy import visible
from tests.support.own_orders import MAPPED, Base, Order, access
from tests.support.postgres import PostgresServer

pytest.importorskip("greenlet", reason="SQLAlchemy's asyncio needs greenlet, which nothing else here does")


def test_an_async_session_gives_the_same_rows(postgres_server: PostgresServer) -> None:
    """Read-only objects, and nothing that would be loaded later."""
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    some = access({"state": "new"}, total={}, note={"total": {"lt": 6}})

    async def ask(url: str) -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            common = {"made": sa.func.now(), "changed": sa.func.now(), "secret": "s"}
            session.add_all(
                Order(id=f"o{number}", status=status, total_cents=number, note="n", **common)
                for number, status in ((5, "NEW"), (6, "NEW"), (7, "PAID"))
            )
            await session.commit()
            rows = (await session.scalars(visible(sa.select(Order).order_by(Order.id), some, **MAPPED))).all()
            assert [(row.id, row.total_cents, row.note, row.secret) for row in rows] == [
                ("o5", 5, "n", None),
                ("o6", 6, None, None),
            ]
            streamed = await session.stream_scalars(visible(sa.select(Order.id).order_by(Order.id), some, **MAPPED))
            assert [ident async for ident in streamed] == ["o5", "o6"]
        async with engine.connect() as connection:
            counted = visible(sa.select(sa.func.count(Order.note)), some, **MAPPED)
            assert await connection.scalar(counted) == 1
        await engine.dispose()

    with postgres_server.database() as url:
        asyncio.run(ask(url))
