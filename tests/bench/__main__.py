"""`python3 run.py bench workers|fanout|presence|ear|all`: measure. Speed lives here, as ratios in one run, never in a test."""

import argparse
import asyncio
import importlib
import importlib.util
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from tests.bench import browser_loss, fanout, lossy_fanout, mouth, network, presence
from tests.bench.lossy_ears import KINDS
from tests.bench.plots import page
from tests.bench.report import Report
from tests.running import ROOT

BENCHES = ("workers", "fanout", "presence", "ear")
SERVERS = {"hushcast": "hushcast", "red": "hushcast RED", "classic": "classic", "janus": "janus"}


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "workers" in arguments[:1]:
        return workers(arguments[1:])
    asked = _parser().parse_args(arguments)
    names = BENCHES if asked.bench == "all" else (asked.bench,)
    if "fanout" in names and "janus" in (asked.servers or ("janus",)):
        network.enter("tests.bench", arguments)
    found: dict[str, Any] = {}
    reports: list[Report] = []
    for name in names:
        if name == "workers":
            found[name] = _workers_figures(asked)
            continue
        report = asyncio.run(_measure(name, asked))
        found[name] = report.rows
        reports.append(report)
        if not asked.json:
            print(report.text(), flush=True)
    if asked.json:
        print(json.dumps(found if asked.bench == "all" else found[asked.bench], indent=1))
        for note in (note for report in reports for note in report.warnings):
            print(note, file=sys.stderr)
    if asked.plot:
        asked.plot.write_text(page(reports), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py bench", description="Measure Hushcast, as ratios in one run.")
    parser.add_argument("bench", choices=(*BENCHES, "all"))
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--plot", type=Path, metavar="FILE.html", help="a page with charts")
    parser.add_argument("--rounds", type=int, help="default: fanout 5, presence 7, ear 3")
    parser.add_argument("--seconds", type=float, help="of one window; default: fanout and presence 20, ear 14")
    parser.add_argument("--listeners", type=_counts, help="fanout: default 1,10,30,100,300; presence: 100")
    parser.add_argument("--servers", type=_servers, help=f"fanout, of {','.join(SERVERS)}")
    parser.add_argument("--loss", choices=KINDS, help="fanout: behind a bad network instead, percent or kind; default 4 listeners")
    parser.add_argument("--browser", action="store_true", help="with --loss: what Chromium conceals; default 300 s, 15,000 packets")
    parser.add_argument("--classic-most", type=int, default=30, help="fanout: more listeners than this are not asked of the classic way")
    parser.add_argument("--variant", choices=("original", "auto"), default="original", help="fanout: auto is denoised, hushcast alone")
    parser.add_argument("--audio", type=Path, default=_shared("AUDIO"), help="folder with noisy_snr0.wav and its clean file")
    parser.add_argument("--models", type=Path, default=_shared("MODELS"), help="folder with the weights")
    return parser


def _shared(kind: str) -> Path:
    return Path(os.environ.get(f"HUSHCAST_TEST_{kind}") or ROOT.parent / "shared" / kind.lower())


def _counts(text: str) -> list[int]:
    counts = [int(each) for each in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("at least one listener")
    return counts


def _servers(text: str) -> list[str]:
    try:
        return [SERVERS[each] for each in text.split(",")]
    except KeyError as missing:
        raise argparse.ArgumentTypeError(f"no server {missing}; there are {', '.join(SERVERS)}") from None


async def _measure(name: str, asked: argparse.Namespace) -> Report:
    if name == "fanout" and asked.loss:
        lossy = fanout.Options(asked.listeners or [4], asked.seconds or 20.0, names=asked.servers or ("hushcast", "hushcast RED", "janus"))
        if asked.browser:
            lossy.audio, lossy.models, lossy.seconds = asked.audio, asked.models, asked.seconds or 300.0
            return await browser_loss.report(lossy, asked.loss)
        return await lossy_fanout.report(lossy, asked.loss)
    if name == "fanout":
        given = {"rounds": asked.rounds, "seconds": asked.seconds, "listeners": asked.listeners}
        options = fanout.Options(
            names=asked.servers or ("hushcast", "classic", "janus"),
            variant=asked.variant,
            classic_most=asked.classic_most,
            audio=asked.audio,
            models=asked.models,
            **{key: value for key, value in given.items() if value is not None},
        )
        return fanout.report(await fanout.measure(options), options)
    if name == "presence":
        listeners = max(asked.listeners) if asked.listeners and asked.bench != "all" else 100
        return await presence.report(presence.Options(asked.rounds or 7, listeners, asked.seconds or 20.0, models=asked.models))
    return await mouth.report(mouth.Options(asked.audio, asked.models, asked.rounds or 3, int(asked.seconds or 14)))


def workers(arguments: Sequence[str]) -> int:
    """The bench of denoisers has options of its own."""
    if importlib.util.find_spec("tests.bench.workers") is None:
        print("run.py: bench workers is not there yet", file=sys.stderr)
        return 2
    return int(importlib.import_module("tests.bench.workers").main(list(arguments)) or 0)


def _workers_figures(asked: argparse.Namespace) -> Any:
    """As a part of `all`: its table goes where the others go, its JSON is taken in."""
    folders = ["--audio", str(asked.audio), "--models", str(asked.models)]
    if not asked.json:
        workers(folders)
        return None
    said = io.StringIO()
    with redirect_stdout(said):
        status = workers([*folders, "--json"])
    return json.loads(said.getvalue()) if status == 0 else None


if __name__ == "__main__":
    sys.exit(main())
