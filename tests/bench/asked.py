"""What the benches are asked on the command line: numbers within reason, and one clear line where they are not."""

import argparse
import os
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import NoReturn

from sfu.settings import load

LEAST_S = 0.1  # of a window: a few packets
AUDIO_HELP = "folder with noisy*.wav and the same voice as clean*.wav, 48 kHz, 16 bits, mono; default: a synthetic voice"
MODELS_HELP = "folder with the weights; default: where a server looks for them, and where it fetches them from"


class Refused(Exception):
    """What was asked for cannot be measured; the text says why. Exit 2."""


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


def without_config(arguments: Sequence[str]) -> list[str]:
    """Take `--config FILE` out: the weights are where it says, unless an option says more; the servers' settings are the bench's own.

    Where it says is its first folder of `models.path` that is there, or what a server with it has fetched.

    Raises ConfigError.
    """
    parser = Parser(prog="run.py bench", add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    asked, rest = parser.parse_known_args(arguments)
    if asked.config:
        config = load(asked.config)
        places = (*config.models.path, config.storage.path / "cache" / "weights")
        if folder := next(filter(Path.is_dir, places), None):
            os.environ["HUSHCAST_TEST_MODELS"] = str(folder)
    return rest
