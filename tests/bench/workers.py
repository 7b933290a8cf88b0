"""bench workers: what each denoiser costs and does, beside torch and the naive ways; and how many voices one core holds.

Every engine is a process on the workers' core, asked in turn, round after round, so that what else the machine does hits all
alike. Packets go through the real nursery, workers and rings, fed from another core; torch eager's too, in a worker a voice.
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
from pathlib import Path

from tests.bench import meters, stages
from tests.bench.asked import SOUNDS, Parser, Refused, counts, names, need_models, need_sound, page_file, seconds, shared, whole
from tests.bench.contenders import Found, Options
from tests.bench.crowd import Denoising
from tests.bench.engines import EAGER, FADED, LONG, SHORT
from tests.bench.plots import page
from tests.bench.progress import Progress
from tests.bench.report import Report
from tests.bench.workers_report import report
from tests.running import ROOT
from tests.sound import encode, read_wav
from workers import registry
from workers.errors import WorkerFailed
from workers.files.choice import Settings, options
from workers.weights import FAMILIES


async def measure(asked: Options, progress: Progress) -> list[Found]:
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
    with meters.pinned(cores.clients), tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
        await stages.engines(found, asked, cores, progress)
        packets = Path(folder) / "packets"
        packets.write_text("\n".join(payload.hex() for payload in encode(read_wav(asked.audio / "noisy_snr0.wav"))))
        works = {name: Denoising(name, given[name], packets, complexity=asked.complexity) for name in given}
        for name in families:
            weights = {"weights": str(asked.models / FAMILIES[name].folder), "device": "cpu"}
            works[EAGER + name] = Denoising(name, weights, packets, complexity=asked.complexity, apart=True)
        for name, work in works.items():
            await stages.memory(found[name], work, cores, progress)
        await stages.packets(found, works, asked, cores, progress)
        for name, work in works.items():
            await stages.voices(found[name], work, asked, cores, progress)
    return list(found.values())


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def measured(asked: Options) -> Report:
    """Everything. Raises Refused."""
    need_sound(asked.audio)
    need_models(asked.models)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    progress = Progress()
    found = asyncio.run(measure(asked, progress))
    progress.now("")
    return report(found, [each.as_json(asked.shares) for each in found], asked)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    options = Options(asked.audio, asked.models, asked.denoisers, asked.share, asked.rounds, asked.seconds, asked.complexity, asked.most)
    try:
        made = measured(options)
    except Refused as refused:
        _say(f"run.py bench workers: {refused}")
        return 2
    print(json.dumps(made.rows, indent=1) if asked.json else made.text(), flush=True)
    if asked.json:
        for warning in made.warnings:
            _say(warning)
    if asked.plot:
        asked.plot.write_text(page([made]), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="run.py bench workers", description="Measure the denoisers, as ratios in one run.")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--plot", type=page_file, metavar="FILE.html", help="a page with charts")
    parser.add_argument("--audio", type=Path, default=shared("AUDIO"), metavar="FOLDER", help=f"with {' and '.join(SOUNDS)}")
    parser.add_argument("--models", type=Path, default=shared("MODELS"), metavar="FOLDER", help="with the weights")
    parser.add_argument("--rounds", type=whole(1), default=5, help="windows of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=seconds, default=30.0, help="of a window of voices; others are a part of it (default: 30)")
    known = registry.names()
    parser.add_argument("--denoisers", type=names(known, "denoiser"), default=known, metavar="NAME,NAME", help="default: all")
    parser.add_argument("--share", type=counts(64), default=(1, 8, 16), metavar="N,N", help="voices a process (default: 1,8,16)")
    parser.add_argument("--most", type=whole(1), default=200, help="voices at which the search ends (default: %(default)s)")
    parser.add_argument("--complexity", type=int, choices=range(11), metavar="0-10", help="of the encoders; default: as workers do")
    return parser


if __name__ == "__main__":
    sys.exit(main())
