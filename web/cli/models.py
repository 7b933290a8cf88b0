"""`run.py models list|fetch|verify`: the weights of the denoisers."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config
from web.private_folder import private
from workers.child import ChildFailed, run_and_wait
from workers.root import ROOT, module_command, module_environment
from workers.weights import provenance
from workers.weights.fetch import NotFetched, fetch
from workers.weights.weights import FAMILIES, Family, find, is_known, search, voucher, whole

CONFIG_FILE = ROOT / "config.toml"  # not web.serve's: that imports the whole server


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where something is missing or broken, 2 for a bad setting or command, 130 after Ctrl-C."""
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
    try:
        families = [FAMILIES[name] for name in asked.names or FAMILIES]
        done = [ACTIONS[asked.action](family, config, families) for family in families]
    except KeyboardInterrupt:
        _to_stderr("hushcast: interrupted")
        return 130
    return 0 if all(done) else 1


def _list(family: Family, config: Config, _: Sequence[Family]) -> bool:
    """Print the weights that the server would use, and damaged ones that it would skip. True, also where there are none."""
    for place, wrong in search(family, config.models.path, _cache(config)):
        print(f"{family.denoiser}: {f'damaged ({wrong}): {place}' if wrong else f'{place} ({_origin(family, place, config)})'}")
        if not wrong:
            return True
    how = "" if family.by_itself else f" (run.py models fetch {family.denoiser} gets them)"
    print(f"{family.denoiser}: no weights{how}")
    return True


def _origin(family: Family, place: Path, config: Config) -> str:
    """Where the weights came from, and their licence."""
    ours = place.parent == _cache(config) / "weights"
    try:
        source = (provenance.source(place) or "a source that was not recorded") if ours else f"{place.parent}, a folder of models.path"
        licence = provenance.LICENCE if is_known(family, place) else "not known here: its sha256 is not one that we know"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    texts = provenance.licence_texts(place) if ours else None
    return f"from {source}; licence {licence}{f', texts in {texts}' if texts else ''}"


def _fetch(family: Family, config: Config, families: Sequence[Family]) -> bool:
    if weights := whole(family, config.models.path, _cache(config), _to_stderr):
        print(f"{family.denoiser}: already there: {weights}")
        return True
    try:
        with private(config.storage.path):
            weights = fetch(
                family,
                config.models.url,
                _cache(config),
                _Progress(family),
                say=lambda line: _to_stderr(f"{family.denoiser}: {line}"),
                along=[other for other in families if not find(other, config.models.path, _cache(config))],
            )
    except (NotFetched, OSError) as error:
        _to_stderr(f"{family.denoiser}: {error}")
        return False
    print(f"{family.denoiser}: fetched into {weights}")
    return True


class _Progress:
    """Progress as one line that is rewritten; only on a terminal."""

    def __init__(self, family: Family) -> None:
        self._family, self._shown = family, (0, 0)

    def __call__(self, have: int, total: int) -> None:
        if sys.stderr.isatty() and self._shown != (have, total):
            self._shown = have, total
            end = "\n" if have >= total else ""
            print(f"\r{self._family.denoiser}: {have / 1e6:.1f} of {total / 1e6:.1f} MB", end=end, file=sys.stderr, flush=True)


def _verify(family: Family, config: Config, _: Sequence[Family]) -> bool:
    """Whether the weights that the server would use are authentic and work, and none that it looks at before them are damaged.

    Authentic: their sha256 is one that we know, or that a file of sums beside them names.
    """
    damaged = False
    for place, wrong in search(family, config.models.path, _cache(config)):
        if wrong is None:
            return _is_authentic(family, place) and not damaged
        _to_stderr(f"{family.denoiser}: damaged: {wrong}: {place}")
        damaged = True
    if not damaged:
        _to_stderr(f"{family.denoiser}: no weights")
    return False


def _is_authentic(family: Family, weights: Path) -> bool:
    """Export a graph from the weights, which also runs it; print what is known of their sha256. False where it fails or is unknown."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = (family.denoiser, "--weights", weights.absolute(), "--out", f"{folder}/graph.onnx")
        try:
            run_and_wait(module_command("workers.models.export", *arguments), module_environment())
        except ChildFailed as failure:
            _to_stderr(str(failure))
            return False
    if is_known(family, weights):
        print(f"{family.denoiser}: works; its sha256 is known: {weights}")
    elif sums := voucher(weights):
        print(f"{family.denoiser}: works; its sha256 is not one that we know, but {sums.name} beside it has the same: {weights}")
    else:
        _to_stderr(
            f"{family.denoiser}: unknown: works, but its sha256 is not one that we know, and no file of sums is beside it: {weights}"
        )
        return False
    return True


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _cache(config: Config) -> Path:
    return config.storage.path / "cache"


ACTIONS = {"list": _list, "fetch": _fetch, "verify": _verify}

if __name__ == "__main__":
    sys.exit(main())
