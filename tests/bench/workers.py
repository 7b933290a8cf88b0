"""bench workers: what each denoiser costs and does, beside torch and the naive ways; and how many voices one core holds.

Every engine is a process on the workers' core, asked in turn, round after round, so that what else the machine does hits all
alike. Packets go through the real nursery, workers and rings, fed from another core. Figures are medians of the rounds.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import crowd, meters
from tests.bench.children import Child
from tests.bench.crowd import Denoising
from tests.bench.engines import EAGER, FADED, LONG, SHORT
from tests.bench.plots import page
from tests.bench.report import rounded
from tests.bench.search import Search
from tests.bench.workers_report import report
from tests.running import ROOT
from tests.sound import encode, read_wav
from workers import registry
from workers.errors import WorkerFailed
from workers.files.choice import Settings, options
from workers.weights import FAMILIES

BATCH = 16
FURTHER = 4  # workers beyond the first, for memory and start


@dataclass
class Options:
    audio: Path
    models: Path
    denoisers: Sequence[str]
    shares: Sequence[int] = (1, 8, 16)
    rounds: int = 5
    seconds: float = 30.0
    complexity: int | None = None
    most: int = 200  # voices that are tried


@dataclass
class Found:
    """All of one contender. Lists of lists: the values of each round."""

    name: str
    latency: int = 0
    tight: list[list[float]] = field(default_factory=list)
    paced: list[list[float]] = field(default_factory=list)
    batch_tight: list[list[float]] = field(default_factory=list)  # a voice of sixteen
    batch_paced: list[list[float]] = field(default_factory=list)
    packet: list[list[float]] = field(default_factory=list)
    cpu_pct: list[float] = field(default_factory=list)
    pss_mb: dict[str, float] | None = None
    start_ms: float | None = None
    quality: dict[str, float] = field(default_factory=dict)
    streams: dict[str, int] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "denoiser": self.name,
            "latency_samples": self.latency,
            "tight_ms": quantiles(self.tight),
            "paced_ms": quantiles(self.paced),
            "packet_ms": quantiles(self.packet),
            "cpu_pct": rounded(statistics.median(self.cpu_pct), 2) if self.cpu_pct else None,
            "pss_mb": self.pss_mb,
            "start_ms": self.start_ms,
            "si_sdr_gain_db": rounded(self.quality["si_sdr_gain_db"], 2),
            "pesq": rounded(self.quality["pesq"], 3),
            "stoi": rounded(self.quality["stoi"], 4),
            "streams_per_core": self.streams,
        }


def quantiles(rounds: Sequence[Sequence[float]]) -> dict[str, float] | None:
    """The medians of the rounds' own quantiles."""
    kept = [each for each in rounds if len(each)]
    if not kept:
        return None
    found = {name: [float(np.quantile(each, share)) for each in kept] for name, share in (("p50", 0.5), ("p99", 0.99))}
    return {name: round(statistics.median(values), 4) for name, values in found.items()}


async def measure(asked: Options) -> list[Found]:
    """Denoisers first, then what they are compared with."""
    settings = Settings(paths=(asked.models,), cache=ROOT / "var" / "cache")
    given = {}
    for name in asked.denoisers:
        try:
            given[name] = await asyncio.to_thread(options, name, settings, _say)
        except WorkerFailed as failure:
            _say(f"{name} is left out: {failure}")
    families = [name for name in given if name in FAMILIES]
    beside = [EAGER + name for name in families] + [kind + name for name in families[:1] for kind in (SHORT, LONG, FADED)]
    found = {name: Found(name) for name in [*given, *beside]}
    cores = meters.Cores()
    with meters.pinned(cores.clients):
        await _engines(found, asked, cores)
        with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
            packets = Path(folder) / "packets"
            packets.write_text("\n".join(payload.hex() for payload in encode(read_wav(asked.audio / "noisy_snr0.wav"))))
            works = {name: Denoising(name, given[name], packets, complexity=asked.complexity) for name in given}
            await _alone(found, works, asked, cores)
            for name, work in works.items():
                found[name].streams = {}
                for share in asked.shares:
                    found[name].streams[str(share)] = await _most(found[name], work, share, asked, cores)  # type: ignore[index]
    return list(found.values())


async def _engines(found: dict[str, Found], asked: Options, cores: meters.Cores) -> None:
    """Hops, tight and paced, and what they do to the sound."""
    folders = ("--audio", str(asked.audio), "--models", str(asked.models))
    async with AsyncExitStack() as opened:
        engines = {}
        for name, each in found.items():
            with meters.pinned(cores.server):
                engines[name] = await opened.enter_async_context(Child("tests.bench.engines", name, *folders))
            each.latency = engines[name].said["latency"]
        for number in range(asked.rounds):
            for name, engine in engines.items():
                _progress(f"hops, round {number + 1} of {asked.rounds}: {name}")
                each = found[name]
                each.tight.append((await engine.ask(do="tight", voices=1, seconds=asked.seconds / 10))["ms"])
                each.paced.append((await engine.ask(do="paced", voices=1, seconds=asked.seconds / 5))["ms"])
                if name in FAMILIES:
                    each.batch_tight.append((await engine.ask(do="tight", voices=BATCH, seconds=asked.seconds / 10))["ms"])
                    each.batch_paced.append((await engine.ask(do="paced", voices=BATCH, seconds=asked.seconds / 5))["ms"])
        for name, engine in engines.items():
            _progress(f"quality: {name}")
            found[name].quality = await engine.ask(do="quality")


async def _alone(found: dict[str, Found], works: dict[str, Denoising], asked: Options, cores: meters.Cores) -> None:
    """One voice in its worker: packets, processor, memory, start."""
    async with AsyncExitStack() as opened:
        crowds = {}
        for name, work in works.items():
            _progress(f"memory and start: {name}")
            made = await opened.enter_async_context(crowd.nursery(cores, work))
            async with crowd.crowd(made, cores, work, 1) as first, crowd.crowd(made, cores, work, FURTHER) as more:
                await first.window(0.5)
                await more.window(0.5)
                every, starts = crowd.pss_mb([made.pid, *first.pids, *more.pids]), first.starts_ms + more.starts_ms
            crowds[name] = await opened.enter_async_context(crowd.crowd(made, cores, work, 1))
            await crowds[name].window(0.5)
            one = crowd.pss_mb([made.pid, *crowds[name].pids])
            found[name].pss_mb = {"first": round(one, 1), "further": round((every - one) / FURTHER, 1)}
            found[name].start_ms = round(statistics.median([*starts, *crowds[name].starts_ms]), 1)
        for number in range(asked.rounds):
            for name, each in crowds.items():
                _progress(f"packets, round {number + 1} of {asked.rounds}: {name}")
                window = await each.window(asked.seconds / 3)
                found[name].packet.append([*window.ms, *[1e3] * (window.expected - len(window.ms))])
                found[name].cpu_pct.append(window.cpu_pct)


async def _most(one: Found, work: Denoising, share: int, asked: Options, cores: meters.Cores) -> int:
    """How many voices the core holds, `share` of them in a process."""
    work = Denoising(work.denoiser, work.options, work.packets, share, work.complexity)
    async with AsyncExitStack() as opened:
        made = await opened.enter_async_context(crowd.nursery(cores, work))

        def tell(text: str) -> None:
            _progress(f"voices on a core, {work.denoiser}, share {share}: {text}")

        search = Search(lambda voices: crowd.crowd(made, cores, work, voices), asked.seconds, asked.rounds, asked.most, tell)
        return await search.most(round(80 / max(statistics.median(one.cpu_pct), 0.5)))


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text[:100]:<100}", end="", file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if unknown := [name for name in asked.denoisers if name not in registry.names()]:
        _say(f"run.py bench workers: no denoiser {', '.join(unknown)}; there are {', '.join(registry.names())}")
        return 2
    for name in ("noisy_snr0.wav", "clean_freesound_33711.wav"):
        if not (asked.audio / name).is_file():
            _say(f"run.py bench workers: there is no {name} in {asked.audio}; --audio FOLDER names another folder")
            return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = Options(asked.audio, asked.models, asked.denoisers, asked.share, asked.rounds, asked.seconds, asked.complexity, asked.most)
    found = asyncio.run(measure(wanted))
    _progress("")
    rows = [each.as_json() for each in found]
    made = report(found, rows, wanted)
    print(json.dumps(rows, indent=1) if asked.json else made.text(), flush=True)
    if asked.plot:
        asked.plot.write_text(page([made]), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py bench workers", description="Measure the denoisers, as ratios in one run.")
    shared = ROOT.parent / "shared"
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--plot", type=Path, metavar="FILE.html", help="a page with charts")
    parser.add_argument("--audio", type=Path, default=Path(os.environ.get("HUSHCAST_TEST_AUDIO") or shared / "audio"), metavar="FOLDER")
    parser.add_argument("--models", type=Path, default=Path(os.environ.get("HUSHCAST_TEST_MODELS") or shared / "models"), metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=5, help="windows of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a window of voices; others are a part of it (default: %(default)s)")
    parser.add_argument(
        "--denoisers", type=lambda text: text.split(","), default=registry.names(), metavar="NAME,NAME", help="default: all"
    )
    parser.add_argument("--share", type=_shares, default=(1, 8, 16), metavar="N,N", help="voices a process (default: 1,8,16)")
    parser.add_argument("--most", type=int, default=200, help="voices at which the search ends (default: %(default)s)")
    parser.add_argument("--complexity", type=int, choices=range(11), metavar="0-10", help="of the encoders; default: as workers do")
    return parser


def _shares(text: str) -> list[int]:
    counts = [int(each) for each in text.split(",") if each]
    if any(not 1 <= each <= 64 for each in counts):
        raise argparse.ArgumentTypeError("1 to 64 voices a process")
    return counts


if __name__ == "__main__":
    sys.exit(main())
