"""Weights of the models: which we know, and where they are. Reads files; for threads and processes, not for the loop.

A folder of weights is upstream's: config.ini and checkpoints/model_N.ckpt.best.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHUNK = 64 * 2**10


@dataclass(frozen=True)
class Family:
    """A denoiser that needs weights: `folder` names them, inside a models folder and inside upstream's archive."""

    denoiser: str
    folder: str
    streaming: str  # module:class, what `workers.export` makes the graph of
    archive_sha256: str | None = None  # of upstream's zip; None: it has none, or none whose sum we know
    known_sha256: tuple[str, ...] = ()  # of checkpoints
    by_itself: bool = False  # whether a server without these weights fetches them unasked


FAMILIES = {
    family.denoiser: family
    for family in (
        Family(
            "deepfilternet3",
            "DeepFilterNet3",
            "workers.streaming.deepfilternet3:DeepFilterNet3",
            by_itself=True,
            archive_sha256="49c52edc8947ae1f9bf50d81530beaf3a2c3245aeaf34b6f31ff535cd22284d2",
            known_sha256=(
                "23b92884f63ccf54bb026014604625ab231657b6480df65db4095c4c171e6003",  # upstream's
                "769e4cb643f3ec5ed7b30e3d268487e28df401314f47b1ea7523f36cf491bce7",  # the same function, norms folded
            ),
        ),
        Family(
            "deepfilternet2",
            "DeepFilterNet2",
            "workers.streaming.deepfilternet2:DeepFilterNet2",
            known_sha256=("d73f4ce677771de4304c259e606dad5e22a6713a701c14680ea3a15cf680bd13",),
        ),
        Family(
            "deepfilternet2_ll",
            "DeepFilterNet2_ll",
            "workers.streaming.deepfilternet2:DeepFilterNet2",
            known_sha256=("b66c3433e3ee43f8936d5e918d2a25df0426174e3779064fa1c8c2494c6e1793",),
        ),
    )
}


def find(family: Family, paths: Sequence[Path], cache: Path) -> Path | None:
    """The first folder that holds this family's weights: in the order of `paths`, then among the fetched ones."""
    places = [path / family.folder for path in (*paths, cache / "weights")]
    return next((place for place in places if (place / "config.ini").is_file() and _checkpoints(place)), None)


def checkpoint(folder: Path) -> Path:
    """The checkpoint that upstream would load. Raises FileNotFoundError."""
    found = _checkpoints(folder)
    if not found:
        raise FileNotFoundError(f"no checkpoint in {folder}")
    return found[-1]


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("model_*.ckpt.best"))


def sha256(*files: Path) -> str:
    """Over all the files, one after the other. Raises OSError."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as reading:
            while piece := reading.read(CHUNK):
                digest.update(piece)
    return digest.hexdigest()
