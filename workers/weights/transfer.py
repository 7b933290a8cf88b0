"""Downloads a file from an http or file address. An interrupted download is resumed if the server still has the same file."""

import errno
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.weights.weights import CHUNK

TIMEOUT_S = 30.0  # without data
LONGEST_S = 3600.0
MOST = 64 * 2**20  # bytes of a file at most; the largest real one has 36 million
_AWAY = (403, 404, 410)  # 403: object stores' answer for a missing file
_FULL = (errno.ENOSPC, errno.EDQUOT)


class NotThere(Exception):
    """The server answers that it has no such file."""


def sum_beside(source: str) -> str | None:
    """The sha256 in SOURCE.sha256; None without such a file. Raises OSError, http.client.HTTPException; ValueError for invalid content."""
    try:
        with _opened(urllib.request.Request(f"{source}.sha256")) as answer:
            words: list[str] = answer.read(200).decode("ascii", "replace").split()
    except NotThere:
        return None
    except urllib.error.HTTPError as error:
        raise OSError(f"its .sha256: {error}") from error
    if not words or not re.fullmatch("[0-9a-fA-F]{64}", words[0]):
        raise ValueError("its .sha256 holds no sum")
    return words[0].lower()


def transfer(source: str, partial: Path, progress: Callable[[int, int], None]) -> None:
    """Download to `partial`, resuming it if possible. An interrupted download stays, unless it has filled the disk.

    progress(bytes so far, bytes in all). Raises NotThere, OSError, http.client.HTTPException, ValueError.
    """
    try:
        _transfer(source, partial, progress)
    except OSError as error:
        if error.errno in _FULL:
            forget(partial)
        raise


def forget(partial: Path) -> None:
    """Delete an interrupted download."""
    partial.unlink(missing_ok=True)
    _tag_file(partial).unlink(missing_ok=True)


def _transfer(source: str, partial: Path, progress: Callable[[int, int], None]) -> None:
    tag_file = _tag_file(partial)
    have = partial.stat().st_size if partial.exists() and tag_file.exists() else 0
    headers = {"User-Agent": "hushcast", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag_file.read_text()}
    try:
        answer = _opened(urllib.request.Request(source, headers=headers))
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        partial.unlink()  # longer than the server's file, so of another one
        return _transfer(source, partial, progress)
    with answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0
        tag_file.unlink(missing_ok=True)
        if tag := answer.headers.get("ETag") or answer.headers.get("Last-Modified"):
            tag_file.write_text(tag)
        total = have + int(answer.headers.get("Content-Length") or 0)
        began = time.monotonic()
        with partial.open("ab" if have else "wb") as writing:
            while piece := answer.read1(CHUNK):
                have += writing.write(piece)
                if have > MOST:
                    forget(partial)
                    raise ValueError("far larger than weights are")
                if time.monotonic() - began > LONGEST_S:
                    raise OSError(f"only {have} of {total} bytes came in {LONGEST_S:.0f} s")
                progress(have, total)
    if have < total:
        raise OSError(f"broke off after {have} of {total} bytes")
    tag_file.unlink(missing_ok=True)


def _opened(request: urllib.request.Request) -> Any:
    """The response. Raises NotThere; HTTPError, already closed; OSError."""
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _AWAY:
            raise NotThere(f"{request.full_url}: {error}") from error
        raise
    except urllib.error.URLError as error:
        if isinstance(error.reason, FileNotFoundError | NotADirectoryError):
            raise NotThere(f"{request.full_url}: there is no such file") from error
        raise


def _tag_file(partial: Path) -> Path:
    return partial.with_suffix(".etag")
