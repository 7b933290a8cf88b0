"""What can be measured of what was asked for: settings, and the refusal in one line."""

import os
from collections.abc import Sequence
from pathlib import Path

from sfu.config.load import load
from tests.bench.arguments import Parser


class Refused(Exception):
    """What was asked for cannot be measured; the text says why. Exit 2."""


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
        folders = (*config.models.path, config.storage.path / "cache" / "weights")
        if folder := next(filter(Path.is_dir, folders), None):
            os.environ["HUSHCAST_TEST_MODELS"] = str(folder)
    return rest
