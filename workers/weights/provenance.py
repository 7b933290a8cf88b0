"""Where fetched weights came from, and under which licence: stored beside them in the cache, for `models list`."""

import shutil
from pathlib import Path

LICENCE = "MIT OR Apache-2.0"  # of everything that upstream has published
_SOURCE, _TEXTS = "source", "licences"
_LONGEST = 500  # characters of a source that are read


def keep(place: Path, source: str, texts: Path | None = None) -> None:
    """Write the source beside the weights, which may still be missing, and move the licence texts there. Raises OSError."""
    file, folder = _beside(place, _SOURCE), _beside(place, _TEXTS)
    shutil.rmtree(folder, ignore_errors=True)
    file.write_text(f"{source}\n", "utf-8")
    if texts is not None and any(texts.iterdir()):
        texts.rename(folder)


def source(place: Path) -> str | None:
    """The stored source: a package and its version, or an address; None where there is none. Raises OSError."""
    try:
        with _beside(place, _SOURCE).open(encoding="utf-8", errors="replace") as file:
            return " ".join(file.read(_LONGEST).split()) or None
    except FileNotFoundError:
        return None


def licence_texts(place: Path) -> Path | None:
    """The folder with the licence texts that came with the weights, where there is one."""
    folder = _beside(place, _TEXTS)
    return folder if folder.is_dir() else None


def _beside(place: Path, what: str) -> Path:
    """In a folder of weights; beside an archive, NAME_onnx.WHAT."""
    return place / what if place.suffix != ".gz" else place.with_name(f"{place.name.removesuffix('.tar.gz')}.{what}")
