"""bench presence --start: from the command to a server that listens, and to DeepFilterNet3 being ready, as a new user sees it.

A copy of the checkout in an empty folder, without environment, cache or weights: the first start makes and fetches all of them, the
ones after it find them. With --against another checkout goes the same way, in turn. What pip has kept of former downloads it uses.
"""

import asyncio
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.asked import Refused
from tests.bench.progress import Progress
from tests.bench.report import Column, Report, Row, number, times
from tests.support.running import ROOT, free_port

FIRST_S, LATER_S, END_S = 900.0, 120.0, 30.0
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", "var", "__pycache__", ".*_cache", "node_modules")
READY, LISTENING = "deepfilternet3 is ready", "listening "
HOPELESS = ("none could be fetched", "deepfilternet3 cannot be prepared", "models.download is false")  # then it is not going to be ready
WHAT = {
    "first_listening_s": "first start: command → listening",
    "first_ready_s": "first start: command → deepfilternet3 is ready",
    "later_listening_s": "later start: command → listening",
    "later_ready_s": "later start: command → deepfilternet3 is ready",
    "environment_mb": "environment on the disk",
    "cache_mb": "weights and graphs on the disk",
}
UNITS = {"s": "s", "mb": "MB"}


@dataclass(frozen=True)
class Options:
    """against: another checkout. models: a folder with the weights, where they are not to be fetched. rounds: of later starts."""

    against: Path | None = None
    models: Path | None = None
    rounds: int = 3


async def report(options: Options) -> Report:
    """Raises Refused."""
    progress = Progress()
    if options.against is not None and not (options.against / "run.py").is_file():
        raise Refused(f"{options.against} is no checkout of Hushcast")
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
        houses = [House(ROOT, Path(folder) / "here", options.models)]
        if options.against is not None:
            houses.append(House(options.against, Path(folder) / "there", options.models))
        for house in houses:
            progress.now(f"first start of {house.source}")
            await house.start("first", FIRST_S)
            progress.done(f"first start of {house.source}")
        for _ in range(options.rounds):
            for house in houses:
                progress.now(f"later start of {house.source}")
                await house.start("later", LATER_S)
        progress.done("later starts")
        for house in houses:
            house.weigh()
    return _as_report(houses, options)


class House:
    """One copy of a checkout, and what was seen of it. The folder is the caller's."""

    def __init__(self, source: Path, folder: Path, models: Path | None) -> None:
        self.source, self.folder = source, folder
        self.seen: dict[str, list[float]] = {}
        self._last = ""  # line that it said
        shutil.copytree(source, folder, ignore=NOT_COPIED, symlinks=True)
        shutil.rmtree(folder / "models", ignore_errors=True)  # weights of the checkout: a first start has none
        (folder / "start.toml").write_text(
            f'[http]\nhost = "127.0.0.1"\nport = {free_port()}\n[rtc]\nhost = "127.0.0.1"\nport = {free_port()}\n'
            + (f'[models]\npath = ["{models.absolute()}"]\n' if models else "")
        )

    async def start(self, kind: str, most_s: float) -> None:
        """One start, from the command until all is ready or will not be; and its end. Raises Refused where it does not listen."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("HUSHCAST_", "PYTHON", "VIRTUAL_ENV"))}
        python = Path(sys.base_prefix) / "bin" / "python3"
        begin, self._last = time.monotonic(), "it said nothing"
        process = await asyncio.create_subprocess_exec(
            str(python), "run.py", "--config", "start.toml",
            cwd=self.folder, env=kept, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(most_s):
                    await self._follow(process.stdout, kind, begin)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(END_S):
                        await process.communicate()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if f"{kind}_listening_s" not in self.seen:
            raise Refused(f"{self.source} does not start: {self._last}")

    async def _follow(self, stream: asyncio.StreamReader, kind: str, begin: float) -> None:
        """Read what it says until nothing more is to come."""
        waits = {LISTENING: f"{kind}_listening_s", READY: f"{kind}_ready_s"}
        while waits and (line := (await stream.readline()).decode(errors="replace")):
            self._last = line.strip() or self._last
            for words in [words for words in waits if line.startswith(words) or (words == READY and words in line)]:
                self.seen.setdefault(waits.pop(words), []).append(time.monotonic() - begin)
            if any(words in line for words in HOPELESS):
                waits.pop(READY, None)

    def weigh(self) -> None:
        """What lies on the disk."""
        self.seen["environment_mb"] = [_disk_mb(self.folder / ".venv")]
        self.seen["cache_mb"] = [_disk_mb(self.folder / "var" / "cache")]


def _disk_mb(folder: Path) -> float:
    """Blocks taken, in 10^6 bytes; a file of several names once."""
    sizes = {}
    for place, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(place, name))
            sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values()) / 1e6


def _as_report(houses: list[House], options: Options) -> Report:
    def value(house: House | None, what: str) -> float | None:
        return round(statistics.median(house.seen[what]), 2) if house is not None and house.seen.get(what) else None

    here, there = houses[0], houses[1] if len(houses) > 1 else None
    rows: list[Row] = [
        {"what": what, "value": value(here, what), "other": value(there, what), "unit": UNITS[what.rsplit("_", 1)[1]]} for what in WHAT
    ]
    columns = [
        Column("what", lambda row: WHAT[row["what"]]),
        Column("this build", lambda row: number(row["value"], 2, f" {row['unit']}")),
        Column("the other", lambda row: number(row["other"], 2, f" {row['unit']}")),
        Column("ratio", lambda row: times(row["value"], row["other"])),
    ]
    notes = [
        f"Weights: {f'in {options.models}' if options.models else 'fetched by the first start'}. A dash: it did not come.",
        f"Later starts: medians of {options.rounds}, both builds in turn.",
    ]
    return Report("From the command to a server that serves", rows, columns, notes=notes)
