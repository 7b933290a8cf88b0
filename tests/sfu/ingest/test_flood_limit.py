"""The token bucket that limits how much sound may come."""

from sfu.ingest.flood_limit import BURST_NS, SOUND_RATE, FloodLimit

FRAME, FRAME_NS = 960, 20_000_000


def admitted(limit: FloodLimit, packets: int, now_ns: int) -> int:
    """How many of so many packets of 20 ms are let in at one moment."""
    return sum(limit.admits(FRAME, now_ns) for _ in range(packets))


def test_a_burst_is_let_in_once() -> None:
    """Ten seconds of sound may come at once; then the bucket is empty, and what is refused takes nothing out of it."""
    limit = FloodLimit()
    assert admitted(limit, 1000, 0) == BURST_NS // FRAME_NS
    assert admitted(limit, 10, 0) == 0
    assert limit.admits(FRAME, FRAME_NS // SOUND_RATE)


def test_sound_may_come_twice_as_fast_as_time_passes() -> None:
    """An empty bucket lets in two seconds of sound a second; a sender in real time never meets it."""
    limit, now_ns = FloodLimit(), 0
    admitted(limit, 1000, 0)
    for _ in range(100):
        now_ns += FRAME_NS
        assert admitted(limit, 5, now_ns) == SOUND_RATE
    steady = FloodLimit()
    assert all(steady.admits(FRAME, n * FRAME_NS) for n in range(10_000))


def test_silence_saves_up_one_burst_and_no_more() -> None:
    """However long nothing came, ten seconds are the most that may come at once."""
    limit = FloodLimit()
    admitted(limit, 1000, 0)
    assert admitted(limit, 10_000, 3600 * 1_000_000_000) == BURST_NS // FRAME_NS
