"""Weights of the models: which we know, where they are, and whether they are whole. For threads and processes, not for the loop.

A folder of weights is upstream's: config.ini and checkpoints/model_N.ckpt.best. Beside them may lie `sha256sums`, as
`sha256sum -c` reads it: a fetch puts it there, and whoever trained weights of his own may.
"""

import errno
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CHUNK = 64 * 2**10
SUMS = "sha256sums"


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
    """The first folder that holds this family's weights, whole or not: in the order of `paths`, then among the fetched ones."""
    return next(_places(family, paths, cache), None)


def search(family: Family, paths: Sequence[Path], cache: Path) -> Iterator[tuple[Path, str | None]]:
    """Every folder that holds this family's weights, in that order, and what is wrong with it. Each is read when it is asked for."""
    for folder in _places(family, paths, cache):
        yield folder, fault(family, folder)


def whole(family: Family, paths: Sequence[Path], cache: Path, say: Callable[[str], object]) -> Path | None:
    """The first folder with whole weights. Others before it are said in a line each.

    Damaged ones in the cache, which is ours, are set aside; those that could not be read are left as they are: that may pass.
    """
    for folder in _places(family, paths, cache):
        try:
            wrong, damaged = _damage(family, folder), "are damaged: "
        except OSError as error:
            wrong, damaged = _unread(error), "are damaged: " if error.errno == errno.EIO else ""
        if wrong is None:
            return folder
        ours = damaged and folder.parent == cache / "weights"
        say(f"{family.denoiser}: weights in {folder} {damaged}{wrong}; {_set_aside(folder) if ours else 'not used, left as they are'}")
    return None


def fault(family: Family, folder: Path) -> str | None:
    """What is wrong with these weights, in a phrase; None where nothing is, as far as can be told without running them.

    What SUMS says of them counts first, then the sums that we know, then the sums that a checkpoint has within.
    """
    try:
        return _damage(family, folder)
    except OSError as error:
        return _unread(error)


def is_known(family: Family, folder: Path) -> bool:
    """Whether the checkpoint is one whose sum we know. Raises OSError."""
    return sha256(checkpoint(folder)) in family.known_sha256


def write_sums(folder: Path) -> None:
    """Put SUMS beside the weights: from now on they are damaged when they differ. Raises OSError."""
    names = ["config.ini", *(f"checkpoints/{file.name}" for file in _checkpoints(folder))]
    (folder / SUMS).write_text("".join(f"{sha256(folder / name)}  {name}\n" for name in names))


def checkpoint(folder: Path) -> Path:
    """The checkpoint that upstream would load. Raises FileNotFoundError."""
    found = _checkpoints(folder)
    if not found:
        raise FileNotFoundError(f"no checkpoint in {folder}")
    return found[-1]


def _places(family: Family, paths: Sequence[Path], cache: Path) -> Iterator[Path]:
    for path in (*paths, cache / "weights"):
        folder = path / family.folder
        with suppress(PermissionError):  # what may not be looked into holds nothing for us
            if (folder / "config.ini").is_file() and _checkpoints(folder):
                yield folder


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("model_*.ckpt.best"))


def _damage(family: Family, folder: Path) -> str | None:
    """What the bytes themselves say, as `fault` does. Raises OSError where they cannot be read."""
    file = checkpoint(folder)
    if (folder / SUMS).exists():
        return _unlike_sums(folder, file)
    return None if is_known(family, folder) else _torn(file)


def _unread(error: OSError) -> str:
    return f"cannot be read ({error.strerror or error})"


def _unlike_sums(folder: Path, file: Path) -> str | None:
    lines = [line.split() for line in (folder / SUMS).read_text("utf-8", "replace").splitlines()]
    sums = {line[1].removeprefix("*").removeprefix("./"): line[0].lower() for line in lines if len(line) == 2}
    unlike = (name for name in ("config.ini", f"checkpoints/{file.name}") if sums.get(name) != sha256(folder / name))
    return next((f"{name} is not what {SUMS} says" for name in unlike), None)


def _torn(file: Path) -> str | None:
    """By the sums within: a checkpoint is a zip, or, from old versions of torch, a pickle, which has none."""
    with file.open("rb") as reading:
        if not zipfile.is_zipfile(reading):
            reading.seek(0)
            return None if reading.read(1) == b"\x80" else f"{file.name} is no checkpoint, or not all of one"
        try:
            with zipfile.ZipFile(reading) as packed:
                bad = packed.testzip()
        except MemoryError as error:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that one is a place that no file has
                raise
            return f"{file.name}: {' '.join(str(error).split()) or type(error).__name__}"
    return bad and f"{file.name} is spoilt in {bad}"


def _set_aside(folder: Path) -> str:
    """Rename it in place of what was set aside before; how that went, in a phrase."""
    aside = folder.with_name(f"{folder.name}.broken")
    try:
        if aside.is_symlink() or aside.is_file():
            aside.unlink()
        elif aside.exists():
            shutil.rmtree(aside)
        folder.rename(aside)
    except OSError as error:
        return f"they cannot be set aside ({error.strerror or error})"
    return f"set aside as {aside.name}"


def sha256(*files: Path) -> str:
    """Over all the files, one after the other. Raises OSError."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as reading:
            while piece := reading.read(CHUNK):
                digest.update(piece)
    return digest.hexdigest()
