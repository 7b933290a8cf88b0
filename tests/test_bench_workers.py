"""bench workers: that it runs, what it says, and how it looks for the largest crowd. What the figures are is no test's business."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tests.bench.crowd import Crowd, Window
from tests.bench.histograms import Strip, histograms
from tests.bench.search import Search
from tests.running import ROOT
from workers.errors import WorkerFailed

KEYS = {
    "denoiser", "latency_samples", "tight_ms", "paced_ms", "packet_ms", "cpu_pct", "pss_mb", "start_ms", "si_sdr_gain_db", "pesq",
    "stoi", "streams_per_core",
}  # fmt: skip


def bench(*arguments: str, stretch: float, wants: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.bench", "workers", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200 * stretch)
    assert ended.returncode == wants, ended.stderr
    return ended


def test_bench(stretch: float, audio_folder: Path, models_folder: Path, tmp_path: Path) -> None:
    """A row for each denoiser and for what it is compared with, exactly the promised keys, and a page that stands alone."""
    plot = tmp_path / "workers.html"
    short = ("--rounds", "1", "--seconds", "1", "--share", "1", "--most", "2", "--denoisers", "deepfilternet3,rnnoise", "--plot", str(plot))
    folders = ("--audio", str(audio_folder), "--models", str(models_folder))
    rows: list[dict[str, Any]] = json.loads(bench(*short, *folders, "--json", stretch=stretch).stdout)
    assert all(set(row) == KEYS for row in rows)
    ours, beside = rows[:2], rows[2:]
    assert [row["denoiser"] for row in ours] == ["deepfilternet3", "rnnoise"]
    assert [row["latency_samples"] for row in rows] == [1440, 960, 1440, 480, 47_520, 95_520]
    for row in ours:
        assert set(row["packet_ms"]) == {"p50", "p99"} and row["start_ms"] > 0 and row["cpu_pct"] > 0
        assert set(row["pss_mb"]) == {"first", "further"} and set(row["streams_per_core"]) == {"1"}
    assert all(row["packet_ms"] is None and row["streams_per_core"] is None for row in beside)
    gain = {row["denoiser"]: row["si_sdr_gain_db"] for row in rows}
    assert gain["deepfilternet3"] == pytest.approx(gain["torch eager deepfilternet3"], abs=0.02)
    assert gain["offline 20 ms deepfilternet3"] < gain["offline 1 s deepfilternet3"] < gain["deepfilternet3"]
    text = plot.read_text()
    assert text.count("<svg") == 4 and not any(word in text for word in ("http:", "https:", "<script", "<link"))


def test_wrong_arguments(stretch: float, tmp_path: Path) -> None:
    """A denoiser that nobody knows and a folder without sound are one line and exit 2."""
    assert "rnnoise" in bench("--denoisers", "nobody", stretch=stretch, wants=2).stderr
    assert "--audio" in bench("--audio", str(tmp_path), stretch=stretch, wants=2).stderr


class _Core:
    """A core that holds so many voices: at one more, packets are late."""

    def __init__(self, holds: int, starts: int = 1000) -> None:
        self.holds, self.starts, self.asked = holds, starts, 0

    @asynccontextmanager
    async def gather(self, voices: int) -> AsyncIterator[Crowd]:
        if voices > self.starts:
            raise WorkerFailed("not ready")
        self.asked += 1
        core = self

        class _Voices:
            async def window(self, seconds: float) -> Window:
                return Window(100, np.full(100, 5.0 if voices <= core.holds else 50.0), 0.0, 50.0)

        yield cast(Crowd, _Voices())


@pytest.mark.parametrize("holds", [0, 1, 2, 7, 19, 40, 41, 99, 200])
@pytest.mark.parametrize("guess", [1, 20, 90, 500])
async def test_search(holds: int, guess: int) -> None:
    """The largest number is found from any guess, in few crowds."""
    core = _Core(holds)
    assert await Search(core.gather, 30, 5, 100, lambda text: None).most(guess) == min(holds, 100)
    assert core.asked < 24


async def test_search_where_workers_do_not_start() -> None:
    """More voices than can be started in time are too many."""
    assert await Search(_Core(50, starts=30).gather, 30, 5, 100, lambda text: None).most(40) == 30


def test_a_lost_packet_is_late() -> None:
    """A window in which packets are missing is not within the limit."""
    assert Window(100, np.full(98, 5.0), 0.0, 50.0).quantile(0.99) == np.inf
    assert Window(1000, np.full(999, 5.0), 0.0, 50.0).quantile(0.99) == 5.0


def test_histograms() -> None:
    """Names are escaped, and values of one kind, far apart or all alike are drawn."""
    drawn = histograms([Strip("<a>", [1.0] * 5), Strip("b", [0.0, 1e-3, 2000.0])], "ms", "title")
    assert "&lt;a&gt;" in drawn and "nan" not in drawn and drawn.count("<rect") >= 3
