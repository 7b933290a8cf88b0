"""Which parts of a recording were not denoised, or are missing, and why: a journal during the recording, spans afterwards.

The journal has a line for each change, `TIME KIND REASON`: from TIME on (samples at 48 kHz, on the recording's own time line) it is
KIND. Lines are only appended, so a crash can tear the last line at most, and a resumed recording continues after it. A line with an
earlier time than those before it replaces them, because the sound after that time was lost.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from workers.link.ring import Flag, Packet
from workers.recordings.opusfile import DENOISED, ORIGINAL

JOURNAL = "spans.log"
OF_A_PART = (DENOISED, ORIGINAL, JOURNAL)  # the files of what one of several servers has of a recording
CLEAN, BYPASS, DENOISE_OFF, GAP = "clean", "bypass", "denoise_off", "gap"
TAKEOVER, AWAY = "takeover", "node_away"  # reasons of gaps, of several servers: between two of them, and what one has that is away
SHORTEST = 4800  # samples (100 ms): a shorter clean part between two others, or a shorter gap, is left out
LINES = 10_000  # after each so many lines, SHORTEST is doubled: a day of trouble stays below 100,000 lines
MOST_SPANS = 200
RATE_HZ = 48_000
_LINE = re.compile(rb"(\d{1,15}) (clean|bypass|denoise_off|gap) (-|[a-z_]{1,32})\n")
_REASON = re.compile(r"[a-z_]{1,32}")
_LONGEST = 80  # bytes of a line that are read


class Treatment(NamedTuple):
    """How `auto` listeners got a packet: clean, bypass or denoise_off, and why. gap: why packets before it are missing, if they are."""

    kind: str
    reason: str | None = None
    gap: str | None = None


class Span(NamedTuple):
    """From `begin` up to `end`, in samples."""

    begin: int
    end: int
    kind: str
    reason: str | None


class Spans(NamedTuple):
    """The result of a journal. merged: spans that became part of another one, because there were too many."""

    spans: list[Span]
    share: float  # denoised part of the time with sound, that is, without gaps
    merged: int

    def told(self) -> list[dict[str, Any]]:
        """For JSON, in seconds."""
        return [
            {"from_s": round(each.begin / RATE_HZ, 3), "to_s": round(each.end / RATE_HZ, 3), "kind": each.kind, "reason": each.reason}
            for each in self.spans
        ]


class Journal:
    """The journal while it is written. Owns the file; every call may raise OSError.

    Time without lost packets, as with DTX, is no gap: the sender was silent. Concealed packets were not received: if they last
    long enough, they are a gap.
    """

    def __init__(self, path: Path, position: int = 0) -> None:
        """position: where the time line continues, in samples."""
        self._file = path.open("a+b", buffering=0)
        self._end = position
        self._number: int | None = None  # of the next packet
        self._state: tuple[str, str | None] | None = None  # as written last
        self._clean_since: int | None = None  # not written yet, because it may be short
        self._lines = 0
        self.size = self._file.seek(0, 2)
        self._resumed = self.size > 0
        if self._resumed:
            self._file.seek(-1, 2)
            if self._file.read(1) != b"\n":
                self._append(b"\n")  # ends a torn line, so that it does not damage the next one

    def heard(self, packet: Packet, why: Treatment) -> None:
        """Note the next packet that `auto` listeners got; times rise."""
        if packet.flags & Flag.CONCEALED:
            return
        lost = packet.number != self._number or packet.flags & Flag.JUMP
        if lost and packet.time - self._end >= self._short:
            self._settle()
            self._tell(self._end, GAP, "restart" if self._resumed else why.gap)
        self._resumed = False
        self._follow(packet, (why.kind, why.reason))
        self._number, self._end = packet.number + 1, packet.time + packet.samples

    def _follow(self, packet: Packet, state: tuple[str, str | None]) -> None:
        begin = packet.time
        if state[0] == CLEAN and self._state is not None and self._state[0] in (BYPASS, DENOISE_OFF):
            begin = begin if self._clean_since is None else self._clean_since
            if packet.time + packet.samples - begin < self._short:
                self._clean_since = begin
                return
        self._clean_since = None
        if state != self._state:
            self._tell(begin, *state)

    @property
    def _short(self) -> int:
        return SHORTEST << (self._lines // LINES)

    def _settle(self) -> None:
        """Write a pending clean part, however short."""
        if self._clean_since is not None:
            self._tell(self._clean_since, CLEAN, None)
            self._clean_since = None

    def _tell(self, time: int, kind: str, reason: str | None) -> None:
        self._state = kind, reason
        self._lines += 1
        self._append(_line(time, kind, reason))

    def _append(self, line: bytes) -> None:
        while line:
            written = self._file.write(line)
            self.size += written
            line = line[written:]

    def close(self) -> None:
        """Write what is pending and close the file. Idempotent."""
        if not self._file.closed:
            with self._file:
                self._settle()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()


def read(path: Path, samples: int) -> Spans:
    """The spans of a recording of that length. Invalid lines are skipped. Raises OSError, also FileNotFoundError."""
    spans: list[Span] = []
    clean = gaps = 0
    for span in _parts(_changes(path), samples):
        length = span.end - span.begin
        clean += length if span.kind == CLEAN else 0
        gaps += length if span.kind == GAP else 0
        if span.kind != CLEAN:
            spans.append(span)
    kept = _bounded(spans)
    return Spans(kept, clean / (samples - gaps) if samples > gaps else 0.0, len(spans) - len(kept))


def joined(pieces: Iterable[tuple[Path, int, int]], until: int = 0, fallback: str = CLEAN) -> Iterator[bytes]:
    """The lines of one journal for pieces of several recordings on the same time line: (journal, begin, end) each, in order, not
    overlapping. What is between them, and from the last one to `until`, is a gap. fallback: what a piece without a journal is.
    """
    at = 0
    for path, begin, end in pieces:
        if begin - at >= SHORTEST:
            yield _line(at, GAP, TAKEOVER)
        try:
            changes = _changes(path)
        except OSError:
            changes = [(0, fallback, None)]
        for time, kind, reason in _within(changes, begin, end):
            yield _line(time, kind, reason)
        at = end
    if until - at >= SHORTEST:
        yield _line(at, GAP, TAKEOVER)


def _within(changes: list[tuple[int, str, str | None]], begin: int, end: int) -> list[tuple[int, str, str | None]]:
    """The changes of a journal from `begin`, where it says what is in force, to `end`."""
    within = [change for change in changes if begin < change[0] < end]
    before = [change for change in changes if change[0] <= begin][-1:]
    if before and before[0][1] == GAP and within and within[0][0] - begin < SHORTEST:
        before = [within.pop(0)]  # the first packet was heard a little later than it came
    return [*((begin, kind, reason) for _, kind, reason in before), *within]


def _line(time: int, kind: str, reason: str | None) -> bytes:
    word = reason if reason and _REASON.fullmatch(reason) else "-"
    return f"{time} {kind} {word}\n".encode()


def _changes(path: Path) -> list[tuple[int, str, str | None]]:
    changes: list[tuple[int, str, str | None]] = [(0, GAP, None)]
    with path.open("rb") as file:
        while line := file.readline(_LONGEST):
            if (found := _LINE.fullmatch(line)) is None:
                continue
            time, reason = int(found[1]), found[3].decode()
            while changes and changes[-1][0] >= time:
                changes.pop()
            changes.append((time, found[2].decode(), None if reason == "-" else reason))
    return changes


def _parts(changes: list[tuple[int, str, str | None]], samples: int) -> Iterator[Span]:
    """The whole recording, piece by piece."""
    for (begin, kind, reason), (end, *_) in zip(changes, [*changes[1:], (samples, "", None)], strict=True):
        if begin < min(end, samples):
            yield Span(begin, min(end, samples), kind, reason)


def _bounded(spans: list[Span]) -> list[Span]:
    """At most MOST_SPANS: the nearest neighbours are merged, those of the same kind first; the result has the kind of the longest."""
    excess = len(spans) - MOST_SPANS
    if excess <= 0:
        return spans

    def apart(index: int) -> tuple[bool, int]:
        one, other = spans[index : index + 2]
        return one[2:] != other[2:], other.begin - one.end

    joined = set(sorted(range(len(spans) - 1), key=apart)[:excess])
    kept: list[Span] = []
    run: list[Span] = []
    for index, span in enumerate(spans):
        run.append(span)
        if index not in joined:
            longest = max(run, key=lambda each: each.end - each.begin)
            kept.append(Span(run[0].begin, span.end, longest.kind, longest.reason))
            run = []
    return kept
