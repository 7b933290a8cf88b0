"""bench workers --against FOLDER: this build and another one, a checkout with its own .venv, in short turns on one core.

Each side is a process on its own Python and packages, asked in turn, so that what else the machine does hits both alike; the
order within a pair changes. Processor time is compared, which other work hardly touches; only the voices that one core holds
are found by the clock, each side's search taking turns with the other's, window by window.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import places
from tests.bench.asked import Refused
from tests.bench.children import Child
from tests.bench.crowd import Window
from tests.bench.progress import Progress
from tests.bench.report import Column, Report, Row, number
from tests.bench.search import FULL_PCT, Search
from tests.support.running import ROOT
from tests.support.sound import encode, read_wav
from workers.errors import WorkerFailed

HERE, THERE = "this build", "the other"
SHARE = 16
HOPS_S, WINDOW_S = 0.5, 4.0
HOP_TURNS = 3  # pairs of hops, which are short, for each pair of workers
LATE_MS = 10.0  # of the feeder: half of what a packet may take
PROOF_S = 10.0  # of the windows that prove a number of voices
WHAT = {
    "hop_of_16_us": "a voice's hop of sixteen, the model",
    "hop_of_1_us": "a hop of a single voice's packet, the model",
    "worker_of_1_pct": "a single voice's worker, of a core",
    "worker_of_16_pct": "a worker of sixteen voices, of a core",
    "voices": f"voices on one core, {SHARE} a process",
}
MORE_IS_BETTER = ("voices",)


@dataclass(frozen=True)
class Options:
    """folder: the other checkout. pairs: of each measurement."""

    folder: Path
    audio: Path | None = None
    models: Path | None = None
    pairs: int = 5


def check(folder: Path) -> None:
    """Raises Refused where that is no checkout that could be run."""
    if not (folder / "workers" / "registry.py").is_file():
        raise Refused(f"{folder} is no checkout of Hushcast")
    if not os.access(folder / ".venv" / "bin" / "python", os.X_OK):
        raise Refused(f"{folder} has no .venv yet: `python3 run.py bench --help` in it makes one")
    if folder.resolve() == ROOT.resolve():
        raise Refused(f"{folder} is this checkout itself")


async def measure(options: Options, progress: Progress) -> list[Row]:
    """Raises Refused."""
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="hushcast-bench-")))
        noisy = read_wav(places.noisy(places.sound(options.audio)))
        np.save(folder / "noisy.npy", noisy)
        (folder / "packets").write_text("\n".join(payload.hex() for payload in encode(noisy)))
        words = ["--sound", str(folder / "noisy.npy"), "--packets", str(folder / "packets")]
        words += ["--models", str(options.models.absolute())] if options.models else []
        sides = {}
        for name, checkout in ((HERE, ROOT), (THERE, options.folder.absolute())):
            progress.now(f"starting {name}")
            sides[name] = await opened.enter_async_context(_side(checkout, words))
            if failed := sides[name].said.get("failed"):
                raise Refused(f"{name} ({checkout}): {failed}")
        rows = []
        for what, ask in _QUESTIONS.items():
            found: dict[str, list[float]] = {name: [] for name in sides}
            pairs = options.pairs * (HOP_TURNS if what.startswith("hop") else 1)
            for turn in range(pairs):
                for name in sorted(sides, reverse=bool(turn % 2)):
                    progress.now(f"{WHAT[what]}, pair {turn + 1} of {pairs}: {name}")
                    found[name].append(await ask(sides[name]))
            rows.append(_row(what, found[HERE], found[THERE]))
            progress.done(WHAT[what])
        rows.append(await _voices(sides, {name: rows[-1][key] for name, key in ((HERE, "here"), (THERE, "there"))}, progress))
        for row in rows:
            row["builds"] = {"here": sides[HERE].said, "there": sides[THERE].said}
        return rows


def _side(checkout: Path, words: Sequence[str]) -> Child:
    """On the checkout's own Python, in it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    script = Path(__file__).with_name("paired.py")
    python = Path(sys.executable) if checkout == ROOT else checkout / ".venv" / "bin" / "python"
    return Child(script, *words, python=(python, {**kept, "PYTHONPATH": str(checkout)}), folder=checkout)


async def _hops(side: Child, voices: int) -> float:
    return float((await side.ask(do="hops", voices=voices, seconds=HOPS_S))["us"])


async def _busy(side: Child, voices: int) -> float:
    answer = await side.ask(do="window", voices=voices, share=SHARE, seconds=WINDOW_S, limit_ms=None)
    if "failed" in answer:
        raise Refused(f"{voices} voices: {answer['failed']}")
    return float(answer["cpu_pct"])


_QUESTIONS: dict[str, Callable[[Child], Any]] = {
    "hop_of_16_us": lambda side: _hops(side, 16),
    "hop_of_1_us": lambda side: _hops(side, 1),
    "worker_of_1_pct": lambda side: _busy(side, 1),
    "worker_of_16_pct": lambda side: _busy(side, 16),
}


class _Turned:
    """A crowd of one side's, opened anew for each window: so the sides' windows take turns."""

    def __init__(self, side: Child, voices: int, turn: asyncio.Lock) -> None:
        self._side, self._voices, self._turn = side, voices, turn

    async def window(self, seconds: float, limit_ms: float | None = None) -> Window:
        async with self._turn:
            answer = await self._side.ask(do="window", voices=self._voices, share=SHARE, seconds=seconds, limit_ms=limit_ms)
        if "failed" in answer:
            raise WorkerFailed(answer["failed"])
        return Window(answer["expected"], np.array(answer["ms"]), answer["late_ms"], answer["cpu_pct"])


def _full(of_sixteen_pct: float) -> float:
    """How many voices would fill a core, by the processor time of sixteen."""
    return SHARE * FULL_PCT / max(of_sixteen_pct, 1.0)


async def _voices(sides: dict[str, Child], of_sixteen_pct: dict[str, float], progress: Progress) -> Row:
    """Both searches at once, window by window in turn."""
    turn, found, looking = asyncio.Lock(), dict[str, int](), dict[str, Search]()

    async def search(name: str) -> None:
        @asynccontextmanager
        async def gather(voices: int) -> AsyncIterator[Any]:
            yield _Turned(sides[name], voices, turn)

        looking[name] = Search(gather, PROOF_S, 3, 200, lambda text: progress.now(f"voices, {name}: {text}"))
        found[name] = await looking[name].most(round(_full(of_sixteen_pct[name])))

    async with asyncio.TaskGroup() as tasks:
        for name in sides:
            tasks.create_task(search(name))
    progress.done(WHAT["voices"])
    late_ms = max([0.0, *(ms for each in looking.values() for ms in each.late_ms)])
    return _row("voices", [found[HERE]], [found[THERE]]) | {"late_ms": round(late_ms, 1)}


def _row(what: str, here: Sequence[float], there: Sequence[float]) -> Row:
    """ratio: of this build to the other, the median of the pairs' own; below 1 is better but for voices."""
    ratios = [ours / theirs for ours, theirs in zip(here, there, strict=True) if theirs]
    return {
        "what": what,
        "here": round(statistics.median(here), 2),
        "there": round(statistics.median(there), 2),
        "ratio": round(statistics.median(ratios), 3) if ratios else None,
        "ratios": [round(each, 3) for each in ratios],
    }


def report(rows: list[Row], options: Options) -> Report:
    columns = [
        Column("what", lambda row: WHAT[row["what"]]),
        Column(HERE, lambda row: _figure(row, "here")),
        Column(THERE, lambda row: _figure(row, "there")),
        Column("ratio", lambda row: number(row["ratio"], 3)),
        Column("of each pair", lambda row: " ".join(f"{each:.2f}" for each in row["ratios"])),
    ]
    builds = rows[0]["builds"]
    told = [f"{name}: Python {said['python']}, numpy {said['numpy']}." for name, said in ((HERE, builds["here"]), (THERE, builds["there"]))]
    sixteen, voices = (next(row for row in rows if row["what"] == what) for what in ("worker_of_16_pct", "voices"))
    full = [f"{_full(sixteen[key]):.1f}" for key in ("here", "there")]
    notes = [
        "Processor time, medians; ratio: this build to the other, the median of the pairs'. Below 1 is better, for voices above 1.",
        "Voices: 99 % of the packets from ring to ring in 20 ms, in two of three windows; both searches in turn, window by window.",
        f"By the processor time of sixteen a core is full with {full[0]} voices, and with {full[1]}.",
        *told,
    ]
    late = f"What fed the voices was late itself, by up to {voices['late_ms']:.0f} ms: the machine did other work too, and more may fit."
    warnings = [late] if voices["late_ms"] > LATE_MS else []
    return Report(
        f"This build against {options.folder}: {options.pairs} pairs in turn on one core", rows, columns, notes=notes, warnings=warnings
    )


def _figure(row: Row, key: str) -> str:
    unit = {"us": " µs", "pct": " %"}.get(row["what"].rsplit("_", 1)[-1], "")
    return f"{row[key]:.0f}" if row["what"] in MORE_IS_BETTER else f"{row[key]:.1f}{unit}"
