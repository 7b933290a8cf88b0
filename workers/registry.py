"""Names of denoisers -> classes, by the entry-point group `hushcast.denoisers`.

Ours stand in this checkout's setup.cfg (which need not be installed), strangers' in their installed packages; ours win.
Both are read once, so ask first where waiting for files is allowed: at start, not on a running event loop.
"""

import configparser
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from workers.errors import UnknownDenoiser, WorkerFailed

if TYPE_CHECKING:
    from workers.denoiser import Denoiser

GROUP = "hushcast.denoisers"
_SETUP = Path(__file__).parents[1] / "setup.cfg"


def names() -> list[str]:
    """Every registered name: ours in the order of setup.cfg, then strangers'."""
    return list(_entries())


def own() -> list[str]:
    """Those of this checkout: what they start, and what they take, is known."""
    return [name for name, entry in _entries().items() if entry.module.startswith("workers.")]


def load(name: str) -> "type[Denoiser]":
    """The class of that name, without loading a model. Raises UnknownDenoiser, or WorkerFailed where its module is broken."""
    entry = _entries().get(name)
    if entry is None:
        raise UnknownDenoiser(name, names())
    try:
        found: type[Denoiser] = entry.load()
    except Exception as error:
        raise WorkerFailed(f"the denoiser {name} cannot be imported: {error!r}", reason="load") from error
    return found


@cache
def _entries() -> dict[str, EntryPoint]:
    ours = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    ours.read(_SETUP, encoding="utf-8")
    lines = ours.get("options.entry_points", GROUP, fallback="").split("\n")
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    known = {name.strip(): EntryPoint(name.strip(), place.strip(), GROUP) for name, place in pairs}
    for entry in entry_points(group=GROUP):
        known.setdefault(entry.name, entry)
    return known
