"""How often one may guess."""

import pytest

from sfu.errors import TooMany
from web.auth.rate_limit import ADDRESS_BURST, JOIN_BURST, JOIN_REFILL_S, MOST, NAME_BURST, NAME_REFILL_S, Bucket, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_name_is_guessed_so_often() -> None:
    """Ten wrong ones, then one more each half minute; right ones do not count; other names and addresses are free."""
    clock = Clock()
    attempts = RateLimit(clock)
    for _ in range(50):
        attempts.begin("alice", "a")
        attempts.succeeded("alice", "a")
    for _ in range(NAME_BURST):
        attempts.begin("alice", "a")
    with pytest.raises(TooMany) as refused:
        attempts.begin("ALICE", "a")
    assert refused.value.retry_after_s == pytest.approx(NAME_REFILL_S)
    attempts.begin("bob", "a")
    attempts.begin("alice", "b")
    clock.now += NAME_REFILL_S
    attempts.begin("alice", "a")
    with pytest.raises(TooMany):
        attempts.begin("alice", "a")


def test_an_address_guesses_so_often() -> None:
    """A hundred names from one address, then it waits."""
    attempts = RateLimit(Clock())
    for number in range(ADDRESS_BURST):
        attempts.begin(f"user{number}", "a")
    with pytest.raises(TooMany):
        attempts.begin("another", "a")
    attempts.begin("another", "b")


def test_a_network_of_ones_own_is_one_place() -> None:
    """Who has a whole IPv6 network guesses no oftener for it; IPv4 neighbours are not each other's burden."""
    attempts = RateLimit(Clock())
    for number in range(NAME_BURST):
        attempts.begin("alice", f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooMany):
        attempts.begin("alice", "2001:db8:1:2:ffff::1")
    attempts.begin("alice", "2001:db8:1:3::1")
    for number in range(2 * NAME_BURST):
        attempts.begin("alice", f"::ffff:192.0.2.{number}")
    for number in range(NAME_BURST):
        attempts.begin("bob", ("192.0.2.1", "::ffff:192.0.2.1")[number % 2])
    with pytest.raises(TooMany):
        attempts.begin("bob", "::ffff:c000:201")


def test_an_address_joins_so_often() -> None:
    """Three hundred accounts, then one a second; signing in does not count."""
    clock = Clock()
    attempts = RateLimit(clock)
    for _ in range(JOIN_BURST):
        attempts.join("a")
    attempts.begin("alice", "a")
    with pytest.raises(TooMany):
        attempts.join("a")
    attempts.join("b")
    clock.now += JOIN_REFILL_S
    attempts.join("a")


def test_memory_is_bounded() -> None:
    """The keys used longest ago are forgotten."""
    bucket = Bucket(1, 1000.0, Clock())
    for number in range(MOST + 500):
        assert bucket.take(str(number)) == 0
    assert len(bucket._full_at) == MOST
    assert bucket.take(str(MOST)) > 0 and bucket.take("0") == 0
