"""Transactions of commands on PostgreSQL, which may take long, but not for ever."""

import asyncio
from collections.abc import Iterator

import pytest

from db import long_transaction
from db.errors import Unavailable
from db.postgres import PostgresEngine
from tests.support.postgres import Postgres, running


@pytest.fixture
def own_server(postgres_server: Postgres, stretch: float) -> Iterator[Postgres]:
    """One that a test may hold."""
    with running(stretch) as server:
        yield server


async def test_it_has_no_limits_of_a_server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a long statement nor a long pause ends it."""
    monkeypatch.setattr("db.postgres.STATEMENT_S", 0.05)
    monkeypatch.setattr("db.postgres.IDLE_S", 0.05)

    def ask() -> object:
        with long_transaction.long_transaction(PostgresEngine(postgres_url), "nothing was done") as tables:
            return tables.execute_sql("SELECT pg_sleep(0.2), current_setting('statement_timeout')").fetchone()[1]

    assert await asyncio.to_thread(ask) == "0"


async def test_it_ends_where_nothing_answers(own_server: Postgres, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """A server that stands still keeps its connections, and is given up."""
    monkeypatch.setattr(long_transaction, "SILENT_S", 0.5 * stretch)

    def ask() -> None:
        with long_transaction.long_transaction(PostgresEngine(own_server.url("postgres")), "nothing was done") as tables:
            own_server.pause()
            tables.execute_sql("SELECT 1")

    try:
        with pytest.raises(Unavailable, match="database_away"):
            await asyncio.to_thread(ask)
    finally:
        own_server.go_on()
