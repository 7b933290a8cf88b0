"""bench fanout: one voice, N listeners with ICE, DTLS and SRTP, on the server and on what it is compared with, in one run.

The servers stand side by side, each on the server's core with its N listeners; the voice speaks to one after the other in
short windows, round after round, so that what else the machine does hits all alike. Figures are medians of the rounds.
"""

import asyncio
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from tests.bench import janus, matching, meters, places, servers
from tests.bench.asked import Refused
from tests.bench.load import Load
from tests.bench.report import rounded
from tests.bench.servers import Contender
from tests.bench.voice import PACKET_S, Sent, Voice, marked
from tests.support.sound import encode, read_wav

WARM_UP = 50  # packets before a window
COOL_DOWN = 25  # packets after it: some servers hold the last ones until more come
MOST_LOADS = 4
# From here on it is the client that is measured: a full core, a voice out of step, listeners so late that their sockets overflow.
BUSY_PCT, VOICE_LATE_S, FETCH_LATE_S = 90.0, 0.1, 5.0


@dataclass
class Options:
    listeners: Sequence[int] = (1, 10, 30, 100, 300)
    seconds: float = 20.0
    rounds: int = 5
    names: Sequence[str] = ("hushcast", "classic", "janus")
    variant: str = "original"
    classic_most: int = 30
    audio: Path | None = None
    models: Path | None = None


@dataclass
class Cost:
    """One server at one number of listeners. Lists: one figure a round."""

    server: str
    listeners: int
    join_ms: float
    join_cpu_ms: float  # of the server's processor
    kb_per_listener: float = 0.0
    cpu_pct: list[float] = field(default_factory=list)
    delivered_pct: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    last_p99: list[float] = field(default_factory=list)
    client_pct: list[float] = field(default_factory=list)  # of the busiest core of the clients
    voice_late_s: list[float] = field(default_factory=list)
    fetch_late_s: list[float] = field(default_factory=list)
    unreadable: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "listeners": self.listeners,
            "cpu_pct": round(statistics.median(self.cpu_pct), 3),
            "delivered_pct": round(statistics.median(self.delivered_pct), 3),
            "latency_ms": {name: _median(getattr(self, name)) for name in ("p50", "p99", "last_p99")},
            "join_ms": round(self.join_ms, 2),
            "kb_per_listener": round(self.kb_per_listener, 1),
        }

    @property
    def warnings(self) -> list[str]:
        where = f"{self.server} with {self.listeners} listeners"
        out = []
        busy, voice, fetch = map(statistics.median, (self.client_pct, self.voice_late_s, self.fetch_late_s))
        if busy > BUSY_PCT or voice > VOICE_LATE_S or fetch > FETCH_LATE_S:
            how = f"its core {busy:.0f} % busy, its voice up to {1000 * voice:.0f} ms late, its listeners up to {1000 * fetch:.0f} ms"
            out.append(f"{where}: the client was the limit ({how})")
        if self.unreadable:
            out.append(f"{where}: {self.unreadable} sampled packets would not decrypt")
        return out


def _median(rounds: Sequence[float]) -> float | None:
    """Of the rounds in which anything came; None where there is none."""
    return rounded(statistics.median([each for each in rounds if each == each] or [math.nan]), 3)


async def measure(options: Options) -> list[Cost]:
    """All servers at all numbers of listeners, least first. Raises Refused where that is none."""
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as name:
        async with AsyncExitStack() as opened:
            bench = await Bench.open(opened, options, Path(name))
            costs: list[Cost] = []
            for count in sorted(options.listeners):
                costs += await bench.step(count)
            if not costs:
                raise Refused(f"--classic-most {options.classic_most}: the classic way is asked of no more listeners")
            return costs


def starts(options: Options) -> dict[str, servers.Start]:
    """Those that were asked for and are here. Raises Refused where that is none."""
    if options.variant == "auto":
        return {"hushcast auto": servers.hushcast("hushcast auto", variant="auto", models=options.models)}
    all_of_them = {
        "hushcast": servers.hushcast(),
        "hushcast RED": servers.hushcast("hushcast RED", red=True),
        "classic": servers.classic(),
        "janus": servers.videoroom(),
    }
    if "janus" in options.names and not janus.installed():
        print("janus is left out: it takes the program (Debian's package `janus`) and root, for a network of its own", file=sys.stderr)
        del all_of_them["janus"]
    found = {name: start for name, start in all_of_them.items() if name in options.names}
    if not found:
        raise Refused("there is nothing to measure: no server that was asked for is here")
    return found


class Bench:
    """The contenders, each with its voice, and the processes of listeners."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._cores = meters.Cores()
        self._loads: list[Load] = []
        self._voices: dict[str, tuple[Contender, Voice]] = {}
        self._idle_kb: dict[str, int] = {}
        self._listening: dict[str, int] = {}

    @classmethod
    async def open(cls, opened: AsyncExitStack, options: Options, folder: Path) -> "Bench":
        bench = cls(options, folder)
        http = await opened.enter_async_context(aiohttp.ClientSession())
        opened.enter_context(meters.pinned(bench._cores.clients))
        for name, start in starts(options).items():
            contender = await opened.enter_async_context(start(bench._cores, folder / name.replace(" ", "-"), http))
            await bench._on_air(contender)
        for _ in range(min(MOST_LOADS, len(bench._cores.clients))):
            bench._loads.append(await Load.start())
            opened.push_async_callback(bench._loads[-1].close)
        for contender, _ in bench._voices.values():
            if contender.reference is not None:
                await bench._loads[0].ask(do="join", server=_reference(contender.name), count=1, route=contender.reference)
        return bench

    async def _on_air(self, contender: Contender) -> None:
        if contender.name == "hushcast auto":
            assert self._options.audio is not None, "denoising wants real sound: --audio FOLDER"
            packets = await asyncio.to_thread(lambda: encode(read_wav(places.noisy(self._options.audio)), bitrate=32_000))  # type: ignore[operator]
        else:
            packets = [] if contender.numbers_kept else marked()
        voice = Voice(contender.mouth, packets)
        await until_ready(contender, voice)
        self._voices[contender.name] = contender, voice
        self._idle_kb[contender.name] = meters.memory_kb(meters.family(contender.pid))
        self._listening[contender.name] = 0

    async def step(self, count: int) -> list[Cost]:
        """Bring every server to `count` listeners and measure all rounds."""
        costs = {}
        for name, (contender, _) in self._voices.items():
            if name != "classic" or count <= self._options.classic_most:
                costs[name] = await self._join(contender, count)
        for round_ in range(self._options.rounds):
            for name, cost in costs.items():
                await self._window(cost, *self._voices[name])
                _progress(f"{name}: {count} listeners, round {round_ + 1} of {self._options.rounds}")
        for name, cost in costs.items():
            used = meters.memory_kb(meters.family(self._voices[name][0].pid)) - self._idle_kb[name]
            cost.kb_per_listener = used / count
        return list(costs.values())

    async def _join(self, contender: Contender, count: int) -> Cost:
        missing = count - self._listening[contender.name]
        pids = meters.family(contender.pid)
        before, took = meters.cpu_ns(pids), []
        for at, load in enumerate(self._loads):
            share = missing // len(self._loads) + (at < missing % len(self._loads))
            took += (await load.ask(do="join", server=contender.name, count=share, route=contender.route))["join_ms"]
        self._listening[contender.name] = count
        cpu_ms = (meters.cpu_ns(pids) - before) / 1e6 / missing
        return Cost(contender.name, count, statistics.median(took), cpu_ms)

    async def _window(self, cost: Cost, contender: Contender, voice: Voice) -> None:
        await voice.talk(WARM_UP)
        for load in self._loads:
            await load.ask(do="begin")
        pids, clients = meters.family(contender.pid), [[load.pid] for load in self._loads]
        clients[0] = clients[0] + [os.getpid()]
        before, clients_before, start = meters.cpu_ns(pids), [meters.cpu_ns(each) for each in clients], time.monotonic_ns()
        sent = await voice.talk(round(self._options.seconds / PACKET_S))
        took_ns = time.monotonic_ns() - start
        cost.cpu_pct.append(100 * (meters.cpu_ns(pids) - before) / took_ns)
        used = (meters.cpu_ns(each) - was for each, was in zip(clients, clients_before, strict=True))
        cost.client_pct.append(100 * max(used) / took_ns)
        cost.voice_late_s.append(sent.late_s)
        await voice.talk(COOL_DOWN)
        await self._look(cost, contender, sent)

    async def _look(self, cost: Cost, contender: Contender, sent: Sent) -> None:
        folders = []
        for at, load in enumerate(self._loads):
            folders.append(self._folder / f"load{at}")
            folders[-1].mkdir(exist_ok=True)
            said = await load.ask(do="end", folder=str(folders[-1]))
            cost.fetch_late_s.append(said["late_s"])
            cost.unreadable += said["unreadable"]
        window = matching.load([file for each in folders if (file := each / f"{contender.name}.npz").exists()])
        reference = matching.load([folders[0] / f"{_reference(contender.name)}.npz"]) if contender.reference else None
        found = matching.latencies(window, sent, decoded=not contender.numbers_kept, reference=reference)
        came = found[~np.isnan(found)]
        cost.delivered_pct.append(100 * came.size / found.size)
        cost.p50.append(float(np.median(came)) if came.size else np.nan)
        cost.p99.append(float(np.percentile(came, 99)) if came.size else np.nan)
        heard = found[:, ~np.isnan(found).all(axis=0)]
        cost.last_p99.append(float(np.percentile(np.nanmax(heard, axis=0), 99)) if heard.size else np.nan)


def _reference(name: str) -> str:
    return f"{name} reference"


async def until_ready(contender: Contender, voice: Voice) -> None:
    """Speak until listeners may come."""
    ready = asyncio.ensure_future(contender.ready())
    while not ready.done():
        await voice.talk(5)
    await ready
    await voice.talk(WARM_UP)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)
