"""Whoever was taken over writes nothing any more, at whatever moment it happens; and whoever looks for such writes finds them."""

import random

import pytest

from db import epochs
from tests.support.fences import takeovers
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer


async def test_takeovers_at_random_moments(redis: RedisServer, postgres_server: Postgres) -> None:
    """Fifty: some writes come too late and are refused, none gets through. A thousand are measured by `run.py bench nodes`."""
    with postgres_server.database("hushcast") as name:
        found = await takeovers(50, redis, postgres_server.url(name), random.Random(12))
    assert found.refused > 0 and found.through == 0, found


async def test_a_write_without_its_epoch_is_found(redis: RedisServer, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes without the fence is seen by the same campaign."""
    monkeypatch.setattr(epochs, "check", lambda tape, epoch: None)
    with postgres_server.database("hushcast") as name:
        found = await takeovers(20, redis, postgres_server.url(name), random.Random(12))
    assert found.through > 0
