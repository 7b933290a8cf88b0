"""A place of weights -> its configuration and its tensors, whichever of the two layouts it has."""

from pathlib import Path

from workers.graphs import checkpoint, exported, folding
from workers.graphs.configuration import Configuration, parsed
from workers.graphs.errors import WeightsError
from workers.graphs.shapes import Tensors, checked
from workers.weights import tars


def read(place: Path) -> tuple[Configuration, Tensors]:
    """Read a folder with config.ini and checkpoints/, or a file NAME_onnx.tar.gz. Raises WeightsError and OSError."""
    if place.is_dir():
        return _of_folder(place)
    if not place.exists():
        raise FileNotFoundError(f"no weights in {place}")
    return _of_tar(place)


def _of_folder(folder: Path) -> tuple[Configuration, Tensors]:
    config = folder / "config.ini"
    if not config.is_file():
        raise FileNotFoundError(f"no config.ini in {folder}")
    files = sorted((folder / "checkpoints").glob("model_*.ckpt.best"))
    if not files:
        raise FileNotFoundError(f"no checkpoint in {folder}")
    made = _config(config.read_bytes())
    return made, checked(folding.folded(checkpoint.learnt(files[-1]), made), made)


def _of_tar(file: Path) -> tuple[Configuration, Tensors]:
    try:
        inside = tars.read(file)
    except tars.Damaged as damage:
        raise WeightsError(f"{file.name}: {damage}") from damage
    made, found = _config(inside[tars.CONFIG]), Tensors()
    for part in tars.GRAPHS:
        found |= exported.tensors(part, inside[part])
    return made, checked(found, made)


def _config(content: bytes) -> Configuration:
    try:
        return parsed(content.decode())
    except UnicodeDecodeError as error:
        raise WeightsError("config.ini is no text") from error
