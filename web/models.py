"""`run.py models list|fetch|verify`: the weights of the denoisers, from the command line."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sfu.config import Config
from sfu.errors import ConfigError
from sfu.settings import load
from web.serve import CONFIG_FILE
from workers.fetch import NotFetched, fetch
from workers.weights import FAMILIES, Family, checkpoint, find, sha256

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where something is missing or broken, 2 for a bad setting or command."""
    parser = argparse.ArgumentParser(prog="run.py models", description="Weights of the denoisers.", allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    parser.add_argument("action", choices=list(ACTIONS))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(FAMILIES)}")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in FAMILIES]:
        parser.error(f"no weights are known for {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    try:
        config = load(asked.config)
    except ConfigError as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    done = [ACTIONS[asked.action](FAMILIES[name], config) for name in asked.names or FAMILIES]
    return 0 if all(done) else 1


def _list(family: Family, config: Config) -> bool:
    """Where the weights are, or that there are none: nothing is wrong with that."""
    weights = _found(family, config)
    print(f"{family.denoiser}: {weights or 'no weights'}")
    return True


def _fetch(family: Family, config: Config) -> bool:
    if weights := _found(family, config):
        print(f"{family.denoiser}: is there already: {weights}")
        return True
    try:
        weights = fetch(family, config.models.url, _cache(config), lambda have, total: _show(family, have, total))
    except NotFetched as error:
        print(f"{family.denoiser}: {error}", file=sys.stderr)
        return False
    print(f"{family.denoiser}: fetched into {weights}")
    return True


def _show(family: Family, have: int, total: int) -> None:
    """One line that changes, for somebody who watches."""
    if sys.stderr.isatty():
        end = "\n" if have >= total else ""
        print(f"\r{family.denoiser}: {have / 1e6:.1f} of {total / 1e6:.1f} MB", end=end, file=sys.stderr, flush=True)


def _verify(family: Family, config: Config) -> bool:
    """By the sum where it is a known one; else, and then too, by making a graph of the weights, which runs them."""
    weights = _found(family, config)
    if weights is None:
        print(f"{family.denoiser}: no weights", file=sys.stderr)
        return False
    known = sha256(checkpoint(weights)) in family.known_sha256
    with tempfile.TemporaryDirectory() as room:
        words = ["workers.export", family.denoiser, "--weights", str(weights.absolute()), "--out", f"{room}/graph.onnx"]
        made = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if made.returncode:
        print(made.stderr.strip() or f"{family.denoiser}: does not work", file=sys.stderr)
        return False
    print(f"{family.denoiser}: works; its sha256 is {'known' if known else 'not one that we know'}: {weights}")
    return True


def _found(family: Family, config: Config) -> Path | None:
    return find(family, config.models.path, _cache(config))


def _cache(config: Config) -> Path:
    return config.storage.path / "cache"


ACTIONS = {"list": _list, "fetch": _fetch, "verify": _verify}

if __name__ == "__main__":
    sys.exit(main())
