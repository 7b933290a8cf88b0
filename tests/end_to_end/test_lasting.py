"""A server with a voice and listeners on it holds no more at the end than at the beginning."""

from pathlib import Path

import numpy as np
import pytest

from tests.bench.lasting import BOUNDS, EDGE, Options, Sample, Tally, _row, report


@pytest.mark.real_time
async def test_nothing_grows(audio_folder: Path, models_folder: Path) -> None:
    """Over a few seconds of a denoised and recorded voice: descriptors, threads, processes and listeners are as many at the end,
    and nearly everything is delivered."""
    rows = {row["what"]: row for row in (await report(Options(1 / 5, 10, 2.0, audio_folder, models_folder))).rows}
    assert set(rows) == set(BOUNDS)
    for name in ("descriptors", "threads", "processes", "tasks", "listeners", "resources"):
        assert not rows[name]["grew"], rows[name]
    assert rows["listeners"]["last"] == 10 and rows["resources"]["last"] == 11
    assert rows["server_rss"]["first"] > 0 and rows["worker_pss"]["first"] > 0
    for variant in ("auto", "original"):
        assert rows[f"delivered_{variant}"]["last"] > 90


def test_growth_is_found() -> None:
    """What is above its bound in the last minute has grown, with its slope; what is within it has stayed; a share grows downwards."""
    still = dict.fromkeys(BOUNDS, 100.0)

    def row(name: str, by: float) -> tuple[bool, float]:
        samples = [Sample(15.0 * at, still | {name: 100.0 + by * at}) for at in range(41)]
        found = _row(name, samples)
        return found["grew"], found["slope_h"]

    assert row("server_pss", 0.2) == (True, 48.0)
    assert row("server_pss", 0.05) == (False, 12.0)
    assert row("descriptors", 1.0)[0] and not row("descriptors", -1.0)[0]
    assert row("delivered_auto", -0.1)[0] and not row("delivered_auto", 0.1)[0]


def test_what_is_lost_between_two_windows_is_counted() -> None:
    """Numbers go on from the window before, round the circle too; only what is on its way at the end is left to the next window."""

    def counted(*windows: range) -> list[int]:
        tally = Tally()
        return [tally.expected((np.array(window, np.int64) % 65_536).astype(np.uint16), 750) for window in windows]

    assert counted(range(750), range(750, 1500)) == [750, 750]
    assert counted(range(748), range(748, 1500), range(1500, 2249)) == [748, 752, 749]
    assert counted(range(65_000, 65_750), range(65_775, 66_500)) == [750, 750]
    assert counted(range(730), range(750, 1480), range(1500, 2250)) == [730, 750, 770]
    assert counted(range(750), range(750, 1000), range(1000, 1000), range(2250, 3000)) == [750, 750 - EDGE, 750 - EDGE, 750 + 2 * EDGE]
    assert counted(range(0), range(900, 1500)) == [750 - EDGE, 750 - EDGE]
