"""What all broadcasts count and measure together."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

from sfu.broadcast.meters import MediaMeters
from sfu.rolling_quantiles import RollingQuantiles


def voice() -> Any:
    """The parts of a broadcast as far as the meters read them."""
    outcomes = Counter(received=0, lost=0)
    source = SimpleNamespace(outcomes=lambda: outcomes, counts=outcomes, stage_ms=RollingQuantiles())
    run = SimpleNamespace(denoiser="rnnoise", stage_ms=RollingQuantiles())
    worker = SimpleNamespace(bypasses=Counter(), run_events=Counter(), run=run)
    return SimpleNamespace(source=source, worker=worker, fanout=SimpleNamespace(stage_ms=RollingQuantiles()))


def test_broadcasts_that_have_ended_stay_in_the_sums() -> None:
    """Counters never fall, and every reason is there from the start."""
    meters, one, other = MediaMeters(), voice(), voice()
    assert meters.bypasses.totals == {"worker_failed": 0, "too_slow": 0, "server_busy": 0}
    with meters.counting(one.source, one.worker):
        one.source.counts["received"] = 5
        one.worker.bypasses["too_slow"] += 1
        with meters.counting(other.source, other.worker):
            other.source.counts["received"] = 2
            assert meters.packets.totals["received"] == 7
        assert meters.packets.totals["received"] == 7
    one.source.counts["received"] = 100
    assert meters.packets.totals["received"] == 7 and meters.bypasses.totals["too_slow"] == 1
    assert meters.worker_runs.totals == {"started": 0, "failed": 0, "restarted": 0}


def test_measurements_are_taken_once() -> None:
    """In seconds; the denoiser that serves has a histogram of its own, and a broadcast without a worker has none."""
    meters, one = MediaMeters(), voice()
    for _ in range(3):
        one.source.stage_ms.add(0.07)
        one.worker.run.stage_ms.add(9.0)
    meters.take(one.source, one.worker, one.fanout)
    one.worker.run.denoiser = "deepfilternet3"
    one.worker.run.stage_ms.add(9.0)
    meters.take(one.source, one.worker, one.fanout)
    one.worker.run = None
    meters.take(one.source, one.worker, one.fanout)
    assert sum(meters.ingest_s.counts) == 3 and meters.ingest_s.counts[1] == 3, "between 50 and 100 microseconds"
    assert sum(meters.fanout_s.counts) == 0
    times = meters.worker_times("passthrough")
    assert {name: sum(histogram.counts) for name, histogram in times.items()} == {"passthrough": 0, "rnnoise": 3, "deepfilternet3": 1}
    assert times["rnnoise"].counts[4] == 3, "between 8 and 10 ms"
