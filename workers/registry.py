"""Names of denoisers -> classes, by the entry-point group `hushcast.denoisers`.

Ours stand in this checkout's setup.cfg (which need not be installed), strangers' in their installed packages; ours win.
Each is read once, strangers' only for a name that is not ours or for all names; so ask first where waiting for files is
allowed: at start, not on a running event loop.
"""

import configparser
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from workers.errors import UnregisteredDenoiser, WorkerFailed
from workers.root import ROOT

if TYPE_CHECKING:
    from workers.denoiser import Denoiser

GROUP = "hushcast.denoisers"
_SETUP = ROOT / "setup.cfg"


def names() -> list[str]:
    """Every registered name: ours in the order of setup.cfg, then strangers'."""
    return list(_own() | _strangers())


def own() -> list[str]:
    """Those of this checkout: what they start, and what they take, is known."""
    return [name for name, place in _own().items() if place.startswith("workers.")]


def load(name: str) -> "type[Denoiser]":
    """The class of that name, without loading a model. Raises UnknownDenoiser, or WorkerFailed where its module is broken."""
    place = _own().get(name) or _strangers().get(name)  # strangers are not looked for while ours are enough
    if place is None:
        raise UnregisteredDenoiser(name, names())
    module, _, inner = place.partition(":")
    try:
        found = import_module(module.strip())
        for part in filter(None, inner.split("[")[0].strip().split(".")):
            found = getattr(found, part)
    except Exception as error:
        raise WorkerFailed(f"the denoiser {name} cannot be imported: {error!r}", reason="load") from error
    return cast("type[Denoiser]", found)


@cache
def _own() -> dict[str, str]:
    """Name -> "module:class"."""
    ours = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    ours.read(_SETUP, encoding="utf-8")
    lines = ours.get("options.entry_points", GROUP, fallback="").split("\n")
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name.strip(): place.strip() for name, place in pairs}


@cache
def _strangers() -> dict[str, str]:
    from importlib.metadata import entry_points  # 2 MB, most of it mail's headers: the forkserver does without

    found: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        if entry.name not in _own():
            found.setdefault(entry.name, entry.value)
    return found
