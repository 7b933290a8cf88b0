"""Weights from upstream, or from a mirror of it, into CACHE/weights: whole or not at all. Blocks; for a process of its own.

A broken-off transfer is taken up where it ended, as long as the server still has the same file.
"""

import argparse
import fcntl
import http.client
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.parent import leave_with_parent
from workers.weights import CHUNK, FAMILIES, Family, fault, sha256, write_sums

UPSTREAM = "https://github.com/Rikorose/DeepFilterNet/raw/v0.5.6/models"
TIMEOUT_S = 30.0
MOST = 64 * 2**20  # bytes of an archive, and of what is taken out of it; the real ones have 8 million


class NotFetched(Exception):
    """The weights could not be fetched; the text is one line for people."""


def fetch(family: Family, url: str, cache: Path, progress: Callable[[int, int], None]) -> Path:
    """Fetch upstream's archive, check it, unpack it; the folder of weights.

    url: a folder that holds NAME.zip, or "upstream". progress(bytes so far, bytes in all). Raises NotFetched.
    Checked against our own table (upstream), or against NAME.zip.sha256 beside the archive: only a mirror that says that it has none
    (403, 404, 410) goes unchecked.
    """
    if url == "upstream" and family.archive_sha256 is None:
        raise NotFetched("we know no archive of these at upstream; put the weights into a folder of models.path")
    source = f"{UPSTREAM if url == 'upstream' else url.rstrip('/')}/{family.folder}.zip"
    partial = cache / "weights" / f".{family.folder}.zip.part"
    try:
        if urllib.parse.urlsplit(source).scheme not in ("http", "https"):
            raise NotFetched(f"models.url is no http address: {url}")
        with _alone(partial):
            _sweep(family, partial.parent)
            wanted = family.archive_sha256 if url == "upstream" else _sum_beside(source)
            _transfer(source, partial, progress)
            if wanted is not None and sha256(partial) != wanted:
                partial.unlink()
                raise ValueError("not the file it should be (sha256)")
            return _unpacked(family, partial)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(f"{source}: {' '.join(str(error).split()) or type(error).__name__}") from error


@contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Keeps a second process from writing the same file. Raises OSError where one is at it."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError("another process is fetching it") from error
        yield


def _sweep(family: Family, folder: Path) -> None:
    """Take away what a fetch that was killed had unpacked."""
    for draft in folder.glob(f".{family.folder}-*"):
        shutil.rmtree(draft, ignore_errors=True)


def _transfer(source: str, partial: Path, progress: Callable[[int, int], None]) -> None:
    """Bring `partial` to its full length, going on behind what it has where the server still has that very file."""
    tag_file = partial.with_suffix(".etag")
    have = partial.stat().st_size if partial.exists() and tag_file.exists() else 0
    headers = {"User-Agent": "hushcast", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag_file.read_text()}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(source, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not have:
            raise
        partial.unlink()  # longer than the server's file: not of it
        return _transfer(source, partial, progress)
    with answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0
        tag_file.unlink(missing_ok=True)
        if tag := answer.headers.get("ETag") or answer.headers.get("Last-Modified"):
            tag_file.write_text(tag)
        total = have + int(answer.headers.get("Content-Length") or 0)
        with partial.open("ab" if have else "wb") as writing:
            while piece := answer.read(CHUNK):
                have += writing.write(piece)
                if have > MOST:
                    partial.unlink()
                    tag_file.unlink(missing_ok=True)
                    raise ValueError("far larger than weights are")
                progress(have, total)
    if have < total:
        raise OSError(f"broke off after {have} of {total} bytes")
    tag_file.unlink(missing_ok=True)


def _sum_beside(source: str) -> str | None:
    """The sha256 that a mirror gives beside its archive; None where it has none. Raises OSError, and ValueError for what is no sum."""
    try:
        with urllib.request.urlopen(f"{source}.sha256", timeout=TIMEOUT_S) as answer:
            words: list[str] = answer.read(200).decode("ascii", "replace").split()
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in (403, 404, 410):  # 403: what stores of objects say of one that is not there
            raise OSError(f"its .sha256: {error}") from error
        return None
    if not words or not re.fullmatch("[0-9a-fA-F]{64}", words[0]):
        raise ValueError("its .sha256 holds no sum")
    return words[0].lower()


def _unpacked(family: Family, archive: Path) -> Path:
    """config.ini and the checkpoints, unpacked beside, checked, and moved into place as a folder. The archive is gone afterwards."""
    folder = archive.parent / family.folder
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=f".{family.folder}-") as room:
        draft = Path(room) / family.folder
        (draft / "checkpoints").mkdir(parents=True)
        try:
            _unpack(archive, draft)
        finally:
            archive.unlink()
        if not (draft / "config.ini").is_file():
            raise ValueError("there is no config.ini in it")
        if not any((draft / "checkpoints").iterdir()):
            raise ValueError("there is no checkpoint in it")
        if wrong := fault(family, draft):
            raise ValueError(f"the weights in it are damaged: {wrong}")
        write_sums(draft)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    return folder


def _unpack(archive: Path, draft: Path) -> None:
    """Raises OSError; ValueError where that is no archive of weights, or a damaged one."""
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
    except Exception as error:  # zipfile lets through whatever its unpackers raise
        raise ValueError(f"the archive is damaged: {' '.join(str(error).split()) or type(error).__name__}") from error


def main(arguments: list[str] | None = None) -> int:
    """`python -m workers.fetch NAME --url URL --cache FOLDER`: whole per cents on stdout, one a line; a fault on stderr, exit 1."""
    parser = argparse.ArgumentParser(prog="python -m workers.fetch", description="Fetch a denoiser's weights.")
    parser.add_argument("name", choices=list(FAMILIES))
    parser.add_argument("--url", default="upstream")
    parser.add_argument("--cache", type=Path, required=True)
    wanted = parser.parse_args(arguments)
    leave_with_parent()
    said = -1

    def say(have: int, total: int) -> None:
        nonlocal said
        percent = min(100, have * 100 // max(total, have, 1))
        if percent > said:
            said = percent
            print(percent, flush=True)

    try:
        fetch(FAMILIES[wanted.name], wanted.url, wanted.cache, say)
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
