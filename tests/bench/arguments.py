"""What the benches are asked on the command line, and one clear line where it is wrong.

`run.py` reads it before anything is installed: nothing but the standard library, and nothing that Python 3.8 cannot read.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import NoReturn

LEAST_S = 0.1  # of a window: a few packets
EAR_LEAST_S = 8  # of a run of the ear: the voice is ten seconds long, and a piece of it must say enough
BENCHES = ("workers", "fanout", "presence", "ear", "page", "nodes")
SERVERS = {"hushcast": "hushcast", "red": "hushcast RED", "classic": "classic", "janus": "janus"}
LOSSES = ("none", "5", "10", "20", "burst", "jitter", "outage")  # per cent, or kind, of a bad network
AUDIO_HELP = "folder with noisy*.wav and the same voice as clean*.wav, 48 kHz, 16 bits, mono; default: a synthetic voice"
MODELS_HELP = "folder with the weights; default: where a server looks for them, and where it fetches them from"


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong; --help has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that is a whole number, `least` to `most`."""
    wanted = f"a whole number from {least}" + (f" to {most}" if most is not None else "")

    def number(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            found = least - 1
        if found < least or (most is not None and found > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return found

    return number


def seconds(text: str) -> float:
    """The type of an option that is the length of a window."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not isfinite(found) or found < LEAST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from {LEAST_S:g}")
    return found


def counts(most: int | None = None) -> Callable[[str], list[int]]:
    """The type of an option that is several whole numbers above zero with commas between them, each once."""

    def several(text: str) -> list[int]:
        found = [whole(1, most)(each) for each in text.split(",")]
        if len(set(found)) < len(found):
            raise argparse.ArgumentTypeError(f"{text!r} has a number twice")
        return found

    return several


def names(known: Sequence[str], what: str) -> Callable[[str], list[str]]:
    """The type of an option that is several of the known names with commas between them."""

    def several(text: str) -> list[str]:
        found = list(dict.fromkeys(text.split(",")))
        if unknown := [each for each in found if each not in known]:
            raise argparse.ArgumentTypeError(f"no {what} {', '.join(map(repr, unknown))}; there are {', '.join(known)}")
        return found

    return several


def page_file(text: str) -> Path:
    """The type of an option that is a file to be written at the end, which may be an hour from now."""
    if not Path(text).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder for {text}")
    return Path(text)


def given(kind: str) -> Path | None:
    """The folder of AUDIO or MODELS that the environment names; None: what the checkout can do by itself."""
    named = os.environ.get(f"HUSHCAST_TEST_{kind}")
    return Path(named) if named else None


def check(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for. Where it is wrong, or only help was wanted, that is said, and the process is left."""
    if "workers" in arguments[:1]:  # it has options of its own
        return workers_parser().parse_args(arguments[1:])
    asked = parser().parse_args(arguments)
    if wrong := together(asked):
        Parser(prog=f"run.py bench {asked.bench}").error(wrong)
    return asked


def parser() -> argparse.ArgumentParser:
    made = Parser(prog="run.py bench", description="Measure Hushcast, as ratios in one run.")
    made.add_argument("bench", choices=(*BENCHES, "all"), help="workers has options of its own: bench workers --help")
    made.add_argument("--json", action="store_true", help="figures for programs")
    made.add_argument("--plot", type=page_file, metavar="FILE.html", help="a page with charts")
    made.add_argument(
        "--rounds", type=whole(1), help="default: workers and fanout 5, presence and page 7, ear 3, nodes 10; with --loss there is one"
    )
    made.add_argument(
        "--seconds",
        type=seconds,
        help=f"of one window; default: workers 30, fanout and presence 20, nodes 10, ear 14, and at least {EAR_LEAST_S}",
    )
    made.add_argument(
        "--listeners", type=counts(), help="fanout: default 1,10,30,100,300; presence: 100; nodes: 200 in a storm, half of them in a window"
    )
    made.add_argument("--friends", type=whole(1, 1000), default=500, help="presence: of the broadcaster, all of them there; default: 500")
    made.add_argument("--servers", type=names(list(SERVERS), "server"), help=f"fanout, of {','.join(SERVERS)}")
    made.add_argument("--loss", choices=LOSSES, help="fanout: behind a bad network instead, percent or kind; default 4 listeners")
    made.add_argument("--browser", action="store_true", help="with --loss: what Chromium conceals; default 300 s, 15,000 packets")
    made.add_argument("--classic-most", type=whole(0), default=30, help="fanout: more listeners than this are not asked of the classic way")
    made.add_argument("--variant", choices=("original", "auto"), default="original", help="fanout: auto is denoised, hushcast alone")
    made.add_argument("--start", action="store_true", help="presence: a first start in an empty folder, and later ones, instead")
    made.add_argument("--against", type=Path, metavar="FOLDER", help="with --start and page: another checkout, in turn")
    made.add_argument("--memory", action="store_true", help="presence: memory (PSS) idle, and with a voice and ten listeners, instead")
    made.add_argument("--audio", type=Path, default=given("AUDIO"), help=AUDIO_HELP)
    made.add_argument("--models", type=Path, default=given("MODELS"), help=MODELS_HELP)
    return made


def workers_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="run.py bench workers", description="Measure the denoisers, as ratios in one run.")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--plot", type=page_file, metavar="FILE.html", help="a page with charts")
    parser.add_argument("--audio", type=Path, default=given("AUDIO"), metavar="FOLDER", help=AUDIO_HELP)
    parser.add_argument("--models", type=Path, default=given("MODELS"), metavar="FOLDER", help=MODELS_HELP)
    parser.add_argument("--rounds", type=whole(1), default=5, help="windows of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=seconds, default=30.0, help="of a window of voices; others are a part of it (default: 30)")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout with its .venv: DeepFilterNet3 of both, in turn")
    parser.add_argument("--denoisers", metavar="NAME,NAME", help="default: all")
    parser.add_argument("--share", type=counts(64), default=(1, 8, 16), metavar="N,N", help="voices a process (default: 1,8,16)")
    parser.add_argument("--most", type=whole(1), default=200, help="voices at which the search ends (default: %(default)s)")
    parser.add_argument("--complexity", type=int, choices=range(11), metavar="0-10", help="of the encoders; default: as workers do")
    return parser


def together(asked: argparse.Namespace) -> str:
    """Which options do not go together, and why; "" where all do."""
    if (asked.start or asked.memory) and asked.bench != "presence":
        return "--start and --memory go with presence"
    if asked.start and asked.memory:
        return "--start and --memory are two runs"
    if asked.bench == "ear" and asked.seconds and asked.seconds < EAR_LEAST_S:
        return f"--seconds is at least {EAR_LEAST_S} here: a shorter piece of the voice says nothing"
    if asked.browser and not asked.loss:
        return "--browser goes with --loss"
    if asked.loss and asked.variant != "original":
        return "--loss is measured with the original voice: what comes out denoised cannot be told apart"
    if asked.against and not asked.start and asked.bench != "page":
        return "--against goes with page, with presence --start, or with workers"
    return ""
