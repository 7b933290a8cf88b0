"""Places frames by a container's time stamps: a gap between them becomes silence of the same length.

Time stamps are rounded, and those of a live recording jitter by a few milliseconds, which is no gap. So there is a gap only if all of the
next frames are late, and its length is the smallest of their delays. Time stamps that run backwards are ignored: the frames are
concatenated.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import av

_AHEAD = 8  # frames that have to be late
_JUMP_S = 0.005  # lost frames leave a longer gap than this
_DRIFT_S = 0.1  # of slow drift between a recorder's clock and its time stamps before it counts as a gap
_CUT_SHORT = 0.95  # of the longest page so far
_FIRST_S = 0.0015  # before the first frame: more than rounding to ms


class Timed(NamedTuple):
    frame: av.AudioFrame
    at_s: float | None  # by the container
    page: int | None = None  # Ogg only: offset of the page in which the frame's packet begins


class Placed(NamedTuple):
    silence_s: float  # before the frame
    frame: av.AudioFrame


def placed(frames: Iterable[Timed], begin_s: float | None) -> Iterator[Placed]:
    """The frames in their order. begin_s: the time stamp of the file's beginning; None: of its first frame."""
    source, ahead = iter(frames), deque[Timed]()
    now_s: float | None = None
    usual_s, least_s = 0.0, _FIRST_S
    while True:
        while len(ahead) < _AHEAD and (timed := next(source, None)):
            ahead.append(timed)
        if not ahead:
            return
        if now_s is None:
            now_s = _begun(begin_s, ahead[0].at_s)
        lates = _lates(ahead, now_s)
        gap_s = 0.0
        if lates and (min(lates) - max(usual_s, 0.0) > least_s or min(lates) > _DRIFT_S):
            gap_s = min(lates)
        elif lates and max(lates) < -_DRIFT_S:
            now_s, lates = now_s + max(lates), [0.0]
        usual_s, least_s = (min(lates) - gap_s if lates else usual_s), _JUMP_S
        frame = ahead.popleft().frame
        now_s += gap_s + frame.samples / frame.sample_rate
        yield Placed(gap_s, frame)


def _begun(begin_s: float | None, first_s: float | None) -> float:
    if first_s is None:
        return begin_s or 0.0
    return first_s if begin_s is None else min(begin_s, first_s)


def _lates(ahead: Iterable[Timed], now_s: float) -> list[float]:
    """How late each frame's time stamp is if there were no gap, up to where time stamps run backwards."""
    lates = list[float]()
    before_s: float | None = None
    for frame, at_s, _ in ahead:
        if at_s is not None:
            runs_back = before_s is not None and at_s < before_s - _DRIFT_S
            if runs_back and abs(at_s - now_s) > _DRIFT_S:  # else the time stamp before was wrong
                break
            lates.append(at_s - now_s)
            before_s = at_s
        elif not lates:
            break
        now_s += frame.samples / frame.sample_rate
    return lates


def by_page(frames: Iterable[Timed], end_s: float | None) -> Iterator[Timed]:
    """Ogg's frames, with the gaps that follow from the pages' end positions. end_s: of the last page.

    A page tells where it ends, so missing sound was before its first packet (RFC 7845, 4). But a page that is shorter than the others was
    ended because of the gap, which is then before its last packet. FFmpeg continues the time stamps of the page before.
    """
    page, longest_s = list[Timed](), 0.0
    for timed in frames:
        if page and timed.page != page[0].page:
            yield from _with_gap(page, timed.at_s, longest_s)
            longest_s = max(longest_s, _length_s(page))
            page.clear()
        page.append(timed)
    yield from _with_gap(page, end_s, 0.0)


def _with_gap(page: list[Timed], end_s: float | None, longest_s: float) -> Iterator[Timed]:
    if not page or end_s is None or page[0].at_s is None:
        yield from page
        return
    at_s, length_s = page[0].at_s, _length_s(page)
    gap_s = end_s - length_s - at_s
    first_behind = len(page) - 1 if length_s < _CUT_SHORT * longest_s else 0
    for number, timed in enumerate(page):
        if number == first_behind and gap_s > _FIRST_S:
            at_s += gap_s
        yield timed._replace(at_s=at_s)
        at_s += timed.frame.samples / timed.frame.sample_rate


def _length_s(page: list[Timed]) -> float:
    return sum(timed.frame.samples / timed.frame.sample_rate for timed in page)
