"""Whether a server stays what it was: one denoised and recorded voice, many listeners, minute after minute.

    python -m tests.bench.lasting --minutes 10 --listeners 100

Prints a table of what the server holds in the first and in the last minute; exit 1 where something has grown beyond its bound.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests.bench import matching, places
from tests.bench.arguments import AUDIO_HELP, MODELS_HELP, given
from tests.bench.holdings import holdings
from tests.bench.load import Load
from tests.bench.report import Column, Report, Row, number
from tests.bench.servers import bearer, started, until_available
from tests.bench.voice import PACKET_S, Voice
from tests.support.people import Person, signed_up
from tests.support.sound import encode, read_wav

SPEAKER = "speaker"
VARIANTS = ("auto", "original")
WARMING_S = 10.0  # from the last join to the first sample, at most a quarter of the whole
EDGE = 25  # packets that may be on their way when a window ends; they are counted in the next one


class Bound(NamedTuple):
    """What a figure may do between the first minute and the last."""

    unit: str
    more: float  # in the figure's own unit; less, where it is a share that should stay
    digits: int = 0

    def broken(self, first: float, last: float) -> bool:
        return last > first + self.more if self.unit != "%" else last < first - self.more


BOUNDS = {
    "server_rss": Bound("MB", 3.0, 1),
    "server_pss": Bound("MB", 3.0, 1),
    "forkserver_pss": Bound("MB", 1.0, 1),
    "worker_pss": Bound("MB", 3.0, 1),
    "descriptors": Bound("", 0),
    "threads": Bound("", 0),
    "processes": Bound("", 0),
    "tasks": Bound("", 2),
    "listeners": Bound("", 0),
    "resources": Bound("", 0),
    "delivered_auto": Bound("%", 0.2, 2),
    "delivered_original": Bound("%", 0.2, 2),
    "dropped_datagrams": Bound("", 50),
    "lost_packets": Bound("", 50),
    "concealed_packets": Bound("", 50),
}
COUNTERS = ("dropped_datagrams", "lost_packets", "concealed_packets")  # told as what came to them since the sample before


@dataclass
class Options:
    minutes: float = 10.0
    listeners: int = 100
    every_s: float = 15.0
    audio: Path | None = None  # None: a synthetic voice
    models: Path | None = None


class Sample(NamedTuple):
    """at_s: since the first one."""

    at_s: float
    figures: dict[str, float]


async def report(options: Options) -> Report:
    samples = await measure(options)
    rows = [_row(name, samples) for name in BOUNDS]
    return Report(
        f"{options.minutes:g} minutes of {options.listeners} listeners",
        rows,
        [
            Column("what", lambda row: row["what"].replace("_", " ")),
            Column("first minute", lambda row: number(row["first"], row["digits"], _unit(row))),
            Column("last minute", lambda row: number(row["last"], row["digits"], _unit(row))),
            Column("slope an hour", lambda row: number(row["slope_h"], row["digits"] or 1, _unit(row))),
            Column("may change by", lambda row: number(row["bound"], row["digits"], _unit(row))),
            Column("", lambda row: "GREW" if row["grew"] else "stayed"),
        ],
        notes=[f"{len(samples)} samples; medians. Of {', '.join(each.replace('_', ' ') for each in COUNTERS)}: between two samples."],
    )


def _unit(row: Row) -> str:
    return f" {row['unit']}".rstrip()


def _row(name: str, samples: Sequence[Sample]) -> Row:
    """Delivery that falls has grown worse, and is said to have grown."""
    bound = BOUNDS[name]
    times = [sample.at_s for sample in samples]
    values = [sample.figures[name] for sample in samples]
    window_s = min(60.0, times[-1] / 3)
    first = statistics.median(value for at, value in zip(times, values, strict=True) if at <= window_s)
    last = statistics.median(value for at, value in zip(times, values, strict=True) if at >= times[-1] - window_s)
    slope = float(np.polyfit(times, values, 1)[0]) * 3600
    found: Row = {"what": name, "unit": bound.unit, "digits": bound.digits, "bound": bound.more}
    return found | {"first": round(first, 3), "last": round(last, 3), "slope_h": round(slope, 3), "grew": bound.broken(first, last)}


async def measure(options: Options) -> list[Sample]:
    """One server, from its start to its end."""
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="hushcast-bench-")))
        server = await started(folder / "server", options.models)
        opened.callback(server.stop)
        speaker = await opened.enter_async_context(signed_up(server.url, SPEAKER))
        await until_available(speaker)
        voice = await opened.enter_async_context(_on_air(speaker, places.sound(options.audio)))
        load = await Load.start()
        opened.push_async_callback(load.close)
        route = {"kind": "whep", "url": server.url, "headers": await bearer(speaker), "host": "127.0.0.1", "name": SPEAKER, "red": False}
        for at, variant in enumerate(VARIANTS):
            count = (options.listeners + at) // 2
            await load.ask(do="join", server=variant, count=count, route={**route, "query": f"?variant={variant}"})
        whole_s = 60 * options.minutes
        await asyncio.sleep(min(WARMING_S, whole_s / 4))
        return await Watch(speaker, server.pid, voice, load, folder).watch(whole_s, min(options.every_s, whole_s / 8))


@asynccontextmanager
async def _on_air(speaker: Person, audio: Path) -> AsyncIterator[Voice]:
    """The voice, denoised and recorded."""
    packets = encode(read_wav(places.noisy(audio)))
    async with speaker.phone() as mouth:
        await mouth.publish(SPEAKER, "?denoise=1&record=1")
        voice = Voice(mouth, packets)
        talking = asyncio.create_task(voice.talk(1 << 30), name="talking")
        try:
            await speaker.until(SPEAKER, timeout_s=60, live=True, denoise_state="active")
            yield voice
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        await speaker.call("POST", "/api/stream/stop", {})


class Tally:
    """How far one listener has been counted."""

    def __init__(self) -> None:
        self._last: int | None = None

    def expected(self, sequences: npt.NDArray[np.uint16], by_time: int) -> int:
        """How many packets a window should have brought, each counted in one window: what is missing at its end, in the next.

        by_time: how many were sent in it, about. Only what came before the first window's first packet is never asked for.
        """
        numbers = sequences.astype(np.int64)
        if self._last is None:
            if not len(numbers):
                return max(by_time - EDGE, 0)
            self._last = int(np.unwrap(numbers, period=matching.CIRCLE).min()) - 1
        numbers = np.unwrap(np.concatenate(([self._last], numbers)), period=matching.CIRCLE)
        count = max(int(numbers.max()) - self._last, by_time - EDGE)
        self._last += count
        return count


class Watch:
    """Looks at a server again and again. Owns nothing."""

    def __init__(self, speaker: Person, pid: int, voice: Voice, load: Load, folder: Path) -> None:
        self._speaker, self._pid, self._voice, self._load, self._folder = speaker, pid, voice, load, folder
        self._counted: dict[str, float] = {}
        self._tallies: dict[tuple[str, int], Tally] = {}

    async def watch(self, whole_s: float, every_s: float) -> list[Sample]:
        start, samples = time.monotonic(), []
        self._since(await self._counters())
        await self._load.ask(do="begin")
        began = time.monotonic()
        for at in range(1, round(whole_s / every_s) + 1):
            await asyncio.sleep(max(0.0, start + at * every_s - time.monotonic()))
            began, before = time.monotonic(), began
            delivered = await self._delivered(began - before)
            held = await holdings(self._speaker, self._pid)
            samples.append(Sample(time.monotonic() - start, held | delivered | self._since(await self._counters())))
        return [Sample(sample.at_s - samples[0].at_s, sample.figures) for sample in samples]

    async def _delivered(self, seconds: float) -> dict[str, float]:
        """In percent: of the numbers since a listener's last one of the window before, and of the time it heard nothing at all."""
        await self._load.ask(do="end", folder=str(self._folder), again=True)
        shares = {}
        for variant in VARIANTS:
            window = matching.load([self._folder / f"{variant}.npz"])
            came = expected = 0
            for listener in range(len(window.samples)):
                tally = self._tallies.setdefault((variant, listener), Tally())
                sequences = window.sequences[window.listener == listener]
                expected += tally.expected(sequences, round(seconds / PACKET_S))
                came += len(np.unique(sequences))
            shares[f"delivered_{variant}"] = 100 * came / max(expected, 1)
        return shares

    async def _counters(self) -> dict[str, float]:
        status = await self._speaker.status()
        text = await (await self._speaker.http.get(f"{self._speaker.url}/metrics")).text()
        dropped = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("hushcast_media_dropped_total"))
        return dict(zip(COUNTERS, (dropped, status["loss"]["lost"], status["loss"]["concealed"]), strict=True))

    def _since(self, counted: dict[str, float]) -> dict[str, float]:
        before, self._counted = self._counted, counted
        return {name: value - before.get(name, 0.0) for name, value in counted.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where something grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lasting", description="Whether a server stays what it was.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--listeners", type=int, default=100, help="half of them hear auto, half original")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two looks")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--audio", type=Path, default=given("AUDIO"), help=AUDIO_HELP)
    parser.add_argument("--models", type=Path, default=given("MODELS"), help=MODELS_HELP)
    asked = parser.parse_args(arguments)
    asked.audio, asked.models = places.sound(asked.audio), places.weights(asked.models)
    found = asyncio.run(report(Options(asked.minutes, asked.listeners, asked.every, asked.audio, asked.models)))
    print(json.dumps(found.as_json(), indent=1) if asked.json else found.text())
    return int(any(row["grew"] for row in found.rows))


if __name__ == "__main__":
    sys.exit(main())
