"""Packets that waited in a socket during a standstill are told by the pace of the sender's clock."""

from sfu.ingest.backlog import STALE_SAMPLES, Backlog

END_NS = 20_000_000_000  # of the standstill


def test_a_packet_that_waited_is_stale() -> None:
    """Twenty seconds after the packet before, a time stamp of 19 s later is stale, and one of 19.9 s later is not."""
    backlog = Backlog()
    last = (1000, 0)
    assert backlog.is_stale(1000 + 19 * 48_000, END_NS, last, END_NS)
    assert not backlog.is_stale(1000 + 20 * 48_000 - STALE_SAMPLES, END_NS, last, END_NS)
    assert backlog.is_stale(1000 + 20 * 48_000 - STALE_SAMPLES - 1, END_NS, last, END_NS)


def test_the_packet_before_the_standstill_is_the_measure_of_all() -> None:
    """All packets are judged by the last one before the standstill, not by those that waited with them."""
    backlog = Backlog()
    assert backlog.is_stale(960, END_NS, (0, 0), END_NS)
    assert backlog.is_stale(1920, END_NS, (960, END_NS), END_NS)
    assert not backlog.is_stale(960, 2 * END_NS, (0, 2 * END_NS - 20_000_000), 2 * END_NS)  # the next standstill has its own


def test_a_clock_that_wraps_goes_on() -> None:
    """Time stamps are compared modulo 2**32."""
    backlog = Backlog()
    assert not backlog.is_stale(20 * 48_000 - 100, END_NS, (0xFFFFFFFF - 99, 0), END_NS)


def test_nothing_is_said_of_a_first_packet() -> None:
    """Without a packet before, and after another clock has begun, there is no pace to judge by."""
    backlog = Backlog()
    assert not backlog.is_stale(0, END_NS, None, END_NS)
    assert backlog.is_stale(0, END_NS, (0, 0), END_NS)
    backlog.restart()
    assert not backlog.is_stale(0, END_NS, None, END_NS)
