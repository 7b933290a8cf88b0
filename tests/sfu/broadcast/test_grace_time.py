"""How long a parked broadcast waits, by the clock of the test."""

from sfu.broadcast.grace_time import STAYS_S, GraceTime


def test_it_is_over_after_the_configured_time() -> None:
    """It counts from its beginning, and anew from each later one."""
    grace = GraceTime(15.0)
    grace.begin(100.0)
    assert not grace.is_over(115.0, 0.0) and grace.is_over(115.1, 0.0)
    grace.begin(200.0)
    assert not grace.is_over(214.9, 0.0)


def test_a_standstill_is_not_counted() -> None:
    """Where the process stood still, the time counts from the end of that; one before the beginning changes nothing."""
    grace = GraceTime(15.0)
    grace.begin(100.0)
    assert not grace.is_over(500.0, 490.0) and grace.is_over(505.1, 490.0)
    assert grace.is_over(115.1, 50.0)


def test_a_resumed_broadcast_waits_for_the_server() -> None:
    """Held, it is never over; it counts from the beginning that follows."""
    grace = GraceTime(1.0)
    grace.hold()
    assert not grace.is_over(1e9, 0.0) and not grace.still_sends(1e9)
    grace.begin(1e9)
    assert grace.is_over(1e9 + 1.1, 0.0)


def test_packets_in_flight_bring_nobody_back() -> None:
    """A packet shows that the source has stayed only STAYS_S after it was parked."""
    grace = GraceTime(15.0)
    grace.begin(100.0)
    assert not grace.still_sends(100.0 + STAYS_S - 0.01) and grace.still_sends(100.0 + STAYS_S)
