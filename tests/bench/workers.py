"""bench workers: what each denoiser costs and does, beside torch and the naive ways; and how many voices one core holds.

Every engine is a process on the workers' core, asked in turn, round after round, so that what else the machine does hits all
alike. Packets go through the real nursery, workers and rings, fed from another core; torch eager's too, in a worker a voice.
Figures are medians of the rounds.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import meters, stages
from tests.bench.contenders import Found, Options
from tests.bench.crowd import Denoising
from tests.bench.engines import EAGER, FADED, LONG, SHORT
from tests.bench.plots import page
from tests.bench.progress import Progress
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
    progress = Progress()
    found = asyncio.run(measure(wanted, progress))
    progress.now("")
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
