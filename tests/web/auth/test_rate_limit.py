"""Limits of password guesses and registrations."""

import pytest

from web.auth.rate_limit import ADDRESS_BURST, JOIN_BURST, JOIN_REFILL_S, MOST_KEYS, NAME_BURST, NAME_REFILL_S, Bucket, RateLimit
from web.errors import TooMany


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_name_is_guessed_so_often() -> None:
    """Ten wrong passwords, then one each 30 s; right ones do not count, nor do other names and addresses."""
    clock = Clock()
    attempts = RateLimit(clock)
    for _ in range(50):
        await attempts.begin("alice", "a")
        await attempts.succeeded("alice", "a")
    for _ in range(NAME_BURST):
        await attempts.begin("alice", "a")
    with pytest.raises(TooMany) as refused:
        await attempts.begin("ALICE", "a")
    assert refused.value.retry_after_s == pytest.approx(NAME_REFILL_S)
    await attempts.begin("bob", "a")
    await attempts.begin("alice", "b")
    clock.now += NAME_REFILL_S
    await attempts.begin("alice", "a")
    with pytest.raises(TooMany):
        await attempts.begin("alice", "a")


async def test_an_address_guesses_so_often() -> None:
    """A hundred wrong passwords from one address, whatever the names."""
    attempts = RateLimit(Clock())
    for number in range(ADDRESS_BURST):
        await attempts.begin(f"user{number}", "a")
    with pytest.raises(TooMany):
        await attempts.begin("another", "a")
    await attempts.begin("another", "b")


async def test_a_network_of_ones_own_is_one_place() -> None:
    """An IPv6 /64 network counts as one address; IPv4 addresses count separately."""
    attempts = RateLimit(Clock())
    for number in range(NAME_BURST):
        await attempts.begin("alice", f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooMany):
        await attempts.begin("alice", "2001:db8:1:2:ffff::1")
    await attempts.begin("alice", "2001:db8:1:3::1")
    for number in range(2 * NAME_BURST):
        await attempts.begin("alice", f"::ffff:192.0.2.{number}")
    for number in range(NAME_BURST):
        await attempts.begin("bob", ("192.0.2.1", "::ffff:192.0.2.1")[number % 2])
    with pytest.raises(TooMany):
        await attempts.begin("bob", "::ffff:c000:201")


async def test_an_address_joins_so_often() -> None:
    """Three hundred registrations from an address, then one a second; signing in does not count."""
    clock = Clock()
    attempts = RateLimit(clock)
    for _ in range(JOIN_BURST):
        await attempts.join("a")
    await attempts.begin("alice", "a")
    with pytest.raises(TooMany):
        await attempts.join("a")
    await attempts.join("b")
    clock.now += JOIN_REFILL_S
    await attempts.join("a")


def test_memory_is_bounded() -> None:
    """The keys used longest ago are forgotten."""
    bucket = Bucket(1, 1000.0, Clock())
    for number in range(MOST_KEYS + 500):
        assert bucket.take(str(number)) == 0
    assert len(bucket._full_at) == MOST_KEYS
    assert bucket.take(str(MOST_KEYS)) > 0 and bucket.take("0") == 0


class Shared:
    """Other servers' count: so many have been taken, or it is away."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.wait: float | None = 0.0

    async def take(self, name: str, key: str, bucket: Bucket) -> float | None:
        self.taken.append(f"{name} {key}")
        return self.wait

    async def give_back(self, name: str, key: str, bucket: Bucket) -> None:
        self.taken.remove(f"{name} {key}")


async def test_servers_count_together() -> None:
    """What others have taken counts, what is refused or undone is given back, and without them each server counts alone."""
    shared = Shared()
    attempts = RateLimit(Clock(), shared)
    await attempts.begin("alice", "a")
    assert shared.taken == ["address a", "name a alice"]
    await attempts.succeeded("alice", "a")
    assert shared.taken == []
    shared.wait = 7.0
    for _ in range(ADDRESS_BURST + 1):
        with pytest.raises(TooMany) as refused:
            await attempts.begin("alice", "a")
        assert refused.value.retry_after_s == 7.0
    shared.wait = None
    for _ in range(NAME_BURST):
        await attempts.begin("alice", "a")
    with pytest.raises(TooMany):
        await attempts.begin("alice", "a")
