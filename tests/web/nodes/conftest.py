"""A real redis-server for each test, and a PostgreSQL for those that stop it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db.postgres import PostgresEngine
from tests.conftest import missing_program
from tests.support.postgres import Postgres, running
from tests.support.redis import PROGRAM, RedisServer


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """One that runs; the test may kill it and start it again."""
    if PROGRAM is None:
        missing_program("redis-server")
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server
    server.go_on()
    server.kill()


@pytest.fixture
async def own_postgres(postgres_server: Postgres, stretch: float) -> AsyncIterator[Postgres]:
    """One that the test may stop; it loses nothing that it has answered. The shared one says whether there is PostgreSQL at all."""
    with running(stretch, "synchronous_commit=on") as found:
        PostgresEngine(found.url("postgres")).prepare()
        yield found
