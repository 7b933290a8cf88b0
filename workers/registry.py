"""Names of denoisers -> classes, by the entry-point group `hushcast.denoisers`.

Our own are read from this checkout's setup.cfg, which need not be installed, third parties' from their installed packages; ours
take precedence. Each source is read once, the packages only for a name that is not ours or for all names. Reading files blocks, so
the first call belongs to the start, not to a running event loop.
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
FIRST = "deepfilternet3"  # the default where it can run
FALLBACK = "rnnoise"  # serves where the wanted one cannot run; needs no weights
_SETUP = ROOT / "setup.cfg"


def names() -> list[str]:
    """Every registered name: ours in the order of setup.cfg, then third parties'."""
    return list(_own() | _strangers())


def own() -> list[str]:
    """The names of this checkout's own denoisers, whose costs are known."""
    return [name for name, place in _own().items() if place.startswith("workers.")]


def load(name: str) -> "type[Denoiser]":
    """The class of that name, without loading a model. Raises UnregisteredDenoiser, or WorkerFailed where its module is broken."""
    place = _own().get(name) or _strangers().get(name)  # packages are searched only if ours are not enough
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
    from importlib.metadata import entry_points  # 2 MB, most of it the email package, which the forkserver need not load

    found: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        if entry.name not in _own():
            found.setdefault(entry.name, entry.value)
    return found
