"""bench workers: what each denoiser costs and does, beside torch, the naive ways and what others run; and voices a core.

Every engine is a process on the workers' core, asked in turn, round after round, so that what else the machine does hits all
alike. Packets go through the real forkserver, workers and rings, fed from another core; torch eager's too, in a worker a voice.
Figures are medians of the rounds.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.bench import against, meters, places, stages
from tests.bench.asked import Refused
from tests.bench.contenders import Found, Options
from tests.bench.crowd import Denoising
from tests.bench.engines import EAGER, FADED, LONG, SHORT
from tests.bench.peers import PEERS, install
from tests.bench.plots import page
from tests.bench.progress import Progress
from tests.bench.report import Report
from tests.bench.stages import Contender
from tests.bench.workers_report import report
from tests.support.sound import encode, read_wav
from workers import extra_python, registry
from workers.errors import WorkerFailed
from workers.weights.weights import FAMILIES, whole


async def measure(asked: Options, progress: Progress) -> list[Found]:
    """Denoisers first, then what they are compared with."""
    given = await asyncio.to_thread(places.ready, list(asked.denoisers), asked.models, _say)
    families = [name for name in given if name in FAMILIES]
    contenders = {name: Contender(asked.models) for name in given}
    torch = _by_torch(families, asked.models)
    contenders |= {EAGER + name: one for name, one in torch.items()}
    contenders |= {kind + name: one for name, one in list(torch.items())[:1] for kind in (SHORT, LONG, FADED)}
    if families:
        contenders |= {name: Contender(asked.models) for name in PEERS if await asyncio.to_thread(_has, name)}
    found = {name: Found(name) for name in contenders}
    cores = meters.Cores()
    with meters.pinned(cores.clients), tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
        await stages.engines(found, contenders, asked, cores, progress)
        packets = Path(folder) / "packets"
        packets.write_text("\n".join(payload.hex() for payload in encode(read_wav(places.noisy(asked.audio)))))
        works = {name: Denoising(name, given[name], packets, complexity=asked.complexity) for name in given if name in found}
        for name, one in torch.items():
            weights = {"weights": str(one.weights), "device": "cpu"}
            works[EAGER + name] = Denoising(name, weights, packets, complexity=asked.complexity, apart=True)
        for name, work in list(works.items()):
            try:
                await stages.memory(found[name], work, cores, progress)
            except (KeyError, WorkerFailed) as failure:
                progress.done(f"{name}: no workers of it: {failure}")
                del works[name]
        await stages.packets(found, works, asked, cores, progress)
        for name, work in works.items():
            await stages.voices(found[name], work, asked, cores, progress)
    return list(found.values())


def _by_torch(families: Sequence[str], models: Path) -> dict[str, Contender]:
    """Of which families torch can run the net here: with the Python that has it, and their checkpoints. What is missing is said."""
    if not families:
        return {}
    python = None
    if not all(map(find_spec, ("torch", "df", "libdf"))):
        try:
            python = extra_python.runner("comparing with torch and enhance()", (extra_python.REFERENCE,))
        except WorkerFailed as failure:
            _say(f"torch eager and offline are left out: {failure}")
            return {}
    found, looked = {}, places.settings(models)
    for name in families:
        weights = whole(FAMILIES[name], looked.paths, looked.cache, _say)
        if weights is not None and weights.is_dir():
            found[name] = Contender(weights, python)
        else:
            _say(f"{EAGER}{name} is left out: torch takes weights as a checkpoint; --models FOLDER names a folder with one")
    return found


def _has(peer: str) -> bool:
    missing = install(peer)
    if missing:
        _say(f"{peer} is left out: {missing}")
    return missing is None


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def measured(asked: Options) -> Report:
    """Everything. Raises Refused."""
    asked.audio, asked.models = places.sound(asked.audio), places.weights(asked.models)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    progress = Progress()
    found = asyncio.run(measure(asked, progress))
    progress.now("")
    return report(found, [each.as_json(asked.shares) for each in found], asked)


def main(asked: argparse.Namespace) -> int:
    """As `arguments.workers_parser` has it. Returns the exit status."""
    try:
        options = Options(
            asked.audio, asked.models, _denoisers(asked), asked.share, asked.rounds, asked.seconds, asked.complexity, asked.most
        )
        made = _against(asked) if asked.against else measured(options)
    except Refused as refused:
        _say(f"run.py bench workers: {refused}")
        return 2
    print(json.dumps(made.as_json(), indent=1) if asked.json else made.text(), flush=True)
    if asked.json:
        for warning in made.warnings:
            _say(warning)
    if asked.plot:
        asked.plot.write_text(page([made]), encoding="utf-8")
    return 0


def _denoisers(asked: argparse.Namespace) -> Sequence[str]:
    """Raises Refused for what nobody registered."""
    known = registry.names()
    wanted = list(dict.fromkeys(asked.denoisers.split(","))) if asked.denoisers else known
    if unknown := [name for name in wanted if name not in known]:
        raise Refused(f"--denoisers: no denoiser {', '.join(map(repr, unknown))}; there are {', '.join(known)}")
    return wanted


def _against(asked: argparse.Namespace) -> Report:
    """Raises Refused."""
    against.check(asked.against)
    options = against.Options(asked.against, asked.audio, asked.models, asked.rounds)
    progress = Progress()
    rows = asyncio.run(against.measure(options, progress))
    progress.now("")
    return against.report(rows, options)
