# mypy: ignore-errors
"""keyshield: STORE=sqlite as its documentation has it, with its cache; STORE=memory keeps keys in the process alone.

SLEEPS=0 leaves its pauses out.
"""

import os
from contextlib import asynccontextmanager
from pathlib import Path

from aiocache import SimpleMemoryCache
from fastapi import Depends, FastAPI
from keyshield.api import create_depends_api_key
from keyshield.hasher.argon2 import Argon2ApiKeyHasher
from keyshield.repositories.in_memory import InMemoryApiKeyRepository
from keyshield.repositories.sql import SqlAlchemyApiKeyRepository
from keyshield.services.cached import CachedApiKeyService
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine("sqlite+aiosqlite:///peer.db")
sessions = async_sessionmaker(engine, expire_on_commit=False)
hasher = Argon2ApiKeyHasher(pepper="a pepper of the benchmarks, 32 bytes")
options = {"hasher": hasher, "cache": SimpleMemoryCache(), "cache_ttl": 86_400}
if os.environ["SLEEPS"] == "0":
    options |= {"min_delay": 0.0, "max_delay": 0.0}
in_memory = CachedApiKeyService(InMemoryApiKeyRepository(), **options)


async def memory_service():
    yield in_memory


async def sqlite_service():
    async with sessions() as session, session.begin():
        yield CachedApiKeyService(SqlAlchemyApiKeyRepository(session), **options)


service = {"memory": memory_service, "sqlite": sqlite_service}[os.environ["STORE"]]
guard = create_depends_api_key(service, required_scopes=["links:read"])


@asynccontextmanager
async def lifespan(_app: FastAPI):
    async with sessions() as session:
        await SqlAlchemyApiKeyRepository(session).ensure_table(async_engine=engine)
    async with asynccontextmanager(service)() as made:
        _, key = await made.create(name="benchmark", scopes=["links:read"])
    Path("key").write_text(key)  # noqa: ASYNC240 - once
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/", dependencies=[Depends(guard)])
async def guarded() -> dict[str, bool]:
    return {"valid": True}
