"""bench workers, stage by stage: hops and quality in an engine of its own, then memory, packets and voices in real workers."""

import asyncio
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tests.bench import crowd, meters, places
from tests.bench.children import Child
from tests.bench.contenders import Found, Options
from tests.bench.crowd import Denoising
from tests.bench.engines import quality
from tests.bench.progress import Progress
from tests.bench.search import FULL_PCT, Search, told
from tests.support.sound import read_wav
from workers.weights.weights import FAMILIES

BATCH = 16
LOST_MS = 1000.0  # what a packet that never came counts as
FURTHER = 4  # workers beyond the first, for memory and start


@dataclass(frozen=True)
class Contender:
    """What `engines` measures: the folder with its weights, and the interpreter that it takes where it is not this one."""

    weights: Path
    python: tuple[Path, Mapping[str, str]] | None = None


async def engines(
    found: dict[str, Found], contenders: Mapping[str, Contender], asked: Options, cores: meters.Cores, progress: Progress
) -> None:
    """Hops, tight and paced, and what they do to the sound. What does not start is said, and is not in `found` any more."""
    noisy, clean = (read_wav(find(asked.audio)) for find in (places.noisy, places.clean))
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="hushcast-bench-")))
        np.save(folder / "noisy.npy", noisy)
        asking = {}
        for name, each in list(found.items()):
            one = contenders[name]
            words = (name, "--sound", str(folder / "noisy.npy"), "--models", str(one.weights))
            try:
                with meters.pinned(cores.server):
                    asking[name] = await opened.enter_async_context(Child("tests.bench.engines", *words, python=one.python))
            except (RuntimeError, TimeoutError) as error:
                progress.done(f"{name} is left out: {error}")
                del found[name]
            else:
                each.latency = asking[name].said["latency"]
        for number in range(asked.rounds):
            for name, engine in asking.items():
                progress.now(f"hops, round {number + 1} of {asked.rounds}: {name}")
                each = found[name]
                tight = await engine.ask(do="tight", voices=1, seconds=asked.seconds / 20)
                each.tight.append(tight["ms"])
                each.tight_cpu.append(tight["cpu_ms"])
                each.paced.append((await engine.ask(do="paced", voices=1, seconds=asked.seconds / 5))["ms"])
                if name in FAMILIES:  # of these only medians are shown
                    each.batch_tight.append((await engine.ask(do="tight", voices=BATCH, seconds=asked.seconds / 20))["ms"])
                    each.batch_paced.append((await engine.ask(do="paced", voices=BATCH, seconds=asked.seconds / 10))["ms"])
            progress.done(f"hops, round {number + 1} of {asked.rounds}")
        for name, engine in asking.items():
            progress.now(f"quality: {name}")
            await engine.ask(do="whole", out=str(folder / "heard.npy"))
            found[name].quality = await asyncio.to_thread(quality, np.load(folder / "heard.npy"), noisy, clean)
        progress.done("quality")


async def memory(one: Found, work: Denoising, cores: meters.Cores, progress: Progress) -> None:
    """What the first worker takes, its forkserver included, and each further one; and how long they take to start.

    Nothing else of the bench has these libraries mapped meanwhile, or their pages would count as shared with it.
    """
    progress.now(f"memory and start: {work.denoiser}")
    async with crowd.forkserver(cores, work) as made, crowd.crowd(made, cores, work, 1) as first:
        await first.window(0.5)
        alone = meters.pss_mb([made.pid, *first.pids])
        async with crowd.crowd(made, cores, work, FURTHER) as more:
            await more.window(0.5)
            every = meters.pss_mb([made.pid, *first.pids, *more.pids])
    one.pss_mb = {"first": round(alone, 1), "further": round((every - alone) / FURTHER, 1)}
    one.start_ms = round(statistics.median(first.starts_ms + more.starts_ms), 1)
    progress.done(f"memory and start: {one.name}")


async def packets(
    found: Mapping[str, Found], works: Mapping[str, Denoising], asked: Options, cores: meters.Cores, progress: Progress
) -> None:
    """One voice in its worker: from ring to ring, and the processor that it takes."""
    async with AsyncExitStack() as opened:
        crowds = {}
        for name, work in works.items():
            made = await opened.enter_async_context(crowd.forkserver(cores, work))
            crowds[name] = await opened.enter_async_context(crowd.crowd(made, cores, work, 1))
        for number in range(asked.rounds):
            for name, each in crowds.items():
                progress.now(f"packets, round {number + 1} of {asked.rounds}: {name}")
                window = await each.window(asked.seconds / 3)
                found[name].packet.append([*window.ms, *[LOST_MS] * (window.expected - len(window.ms))])
                found[name].cpu_pct.append(window.cpu_pct)
                found[name].late_ms.append(window.late_ms)
            progress.done(f"packets, round {number + 1} of {asked.rounds}")


async def voices(one: Found, work: Denoising, asked: Options, cores: meters.Cores, progress: Progress) -> None:
    """How many voices the core holds at each share. With more in a process it holds as many or more: there the search goes on."""
    begin_with = round(FULL_PCT / max(statistics.median(one.cpu_pct), 0.5))
    one.streams = {}
    for share in asked.shares:
        if work.apart and share > 1:
            one.streams[str(share)] = None
            continue
        what = f"voices on a core, {one.name}, share {share}"
        # what is cleaned one by one anyway gains only processes by sharing: one whole window says it
        proof = replace(asked, rounds=1) if share > 1 and work.denoiser not in FAMILIES else asked
        shared = replace(work, share=share)
        async with crowd.forkserver(cores, shared) as made:
            tell = partial(_tell, progress, what)
            search = Search(partial(crowd.crowd, made, cores, shared), proof.seconds, proof.rounds, proof.most, tell)
            begin_with = one.streams[str(share)] = await search.most(begin_with)
        one.late_ms += search.late_ms
        progress.done(f"{what}: {told(begin_with, proof.most)}, found in {len(search.late_ms)} windows")


def _tell(progress: Progress, what: str, text: str) -> None:
    progress.now(f"{what}: {text}")
