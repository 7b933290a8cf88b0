"""Range requests (RFC 9110 §14): reads Range and If-Range, and sends one part of a file.

aiohttp answers 416 to everything but one plain range, and compares If-Range by date only.
"""

import math
import os
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

KEPT = (hdrs.IF_MATCH, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE, hdrs.ACCEPT_ENCODING)
_BYTES = re.compile(r"bytes[ \t]*=(.*)", re.IGNORECASE)
_RANGE = re.compile(r"(\d*)[ \t]*-[ \t]*(\d*)", re.ASCII)
_DIGITS = 18  # more than any file size has; Python refuses to parse thousands

Part = tuple[int, int]  # first byte, and the one after the last; empty where the second is not above the first


def part_of(request: web.Request, size: int, tag: str, changed_s: float | None = None) -> Part | None:
    """The range that is requested. None: all of it, also for several ranges, other units, syntax errors, and a failed If-Range.

    tag: the strong ETag, with its quotes; changed_s: the modification time, if there is one.
    """
    said = request.headers.getall(hdrs.RANGE, [])
    if request.method != hdrs.METH_GET or len(said) != 1 or not _is_as_it_was(request.headers.get(hdrs.IF_RANGE), tag, changed_s):
        return None
    unit = _BYTES.fullmatch(said[0].strip())
    ranges = [] if unit is None else [each.strip() for each in unit[1].split(",") if each.strip()]
    found = _RANGE.fullmatch(ranges[0]) if len(ranges) == 1 else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - _number(found[2])), size
    first = _number(found[1])
    if not found[2]:
        return first, size
    last = _number(found[2])
    return (first, min(size, last + 1)) if first <= last else None


def tag_of(stat: os.stat_result) -> str:
    """The ETag of a file, as aiohttp makes it."""
    return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'


class SentFile(web.FileResponse):
    """A file, or one part of it, whatever the request's own Range says."""

    def __init__(self, file: Path, headers: Mapping[str, str], part: Part | None = None) -> None:
        super().__init__(file, headers=headers)
        self._part = part

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        said = {name: request.headers[name] for name in KEPT if request.headers.get(name, "").isascii() and name in request.headers}
        if self._part is not None:
            said[hdrs.RANGE] = f"bytes={self._part[0]}-{self._part[1] - 1}"
        return await super().prepare(request.clone(headers=said))


def _is_as_it_was(told: str | None, tag: str, changed_s: float | None) -> bool:
    """Whether If-Range is missing, or names the current version."""
    if told is None or told == tag:
        return True
    try:
        return changed_s is not None and parsedate_to_datetime(told).timestamp() == math.ceil(changed_s)  # as aiohttp rounds Last-Modified
    except (ValueError, OverflowError):
        return False


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _DIGITS else 10**_DIGITS
