"""Writes a broadcast to files: packets enter a bounded queue on the event loop, and a thread of the recorder writes them.

`original.opus` holds the packets as they came, `denoised.opus` what `auto` listeners were sent. The second file is called
`heard.opus` until its first denoised packet: both files begin at time 0, and a file that a crash leaves has the right name. Without
a denoised packet it is deleted at the end. `spans.log` says which parts of it were not denoised, and why (`workers.recordings.spans`).

Files that a crash or `close(resumable=True)` left can be continued; the gap becomes silence.
"""

import asyncio
import errno
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from workers.disk_room import DiskRoom, why_not
from workers.link.opus_toc import opus_is_stereo
from workers.link.ring import Packet
from workers.recordings.opusfile import DENOISED, HEARD, ORIGINAL, QUANTUM, RATE_HZ, OpusFile
from workers.recordings.spans import BYPASS, CLEAN, JOURNAL, Journal, Treatment

logger = logging.getLogger(__name__)

CAPACITY = 8192  # queued packets: over a minute of both files at 20 ms
WAKE_S = 0.1  # between two writes of the thread; with pages of 0.2 s at most 0.3 s are not on the disk
OPEN_S = 5.0  # how long a slow disk may delay the broadcasts that are resumed after this one
CLOSE_S = 5.0  # then the thread is left alone to finish
WAKES_A_DISK_CHECK = 10
NO_REASON = Treatment(BYPASS)
T = TypeVar("T")


class Totals(NamedTuple):
    """The result of a recording."""

    duration_s: float
    denoised: bool  # whether any packet was
    size_bytes: int  # of all files
    packets: int  # in `original.opus`
    dropped: int  # because a queue was full, or nothing more was written
    late: int  # not written: earlier than the end of the file, or no Opus packet
    failed: str | None  # why nothing more was written: `storage_full`, `failed`, or None

    @property
    def empty(self) -> bool:
        """Whether no packet came, as where recording is turned on and off again; nothing went wrong."""
        return self.duration_s == 0 and self.dropped == 0 and self.failed is None


class Recorder:
    """Owns the files of one broadcast and the thread that writes them, from `start` to `close`.

    The queue holds at most `capacity` packets; a full queue drops the new packet and counts it.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int = CAPACITY,
        room: DiskRoom | None = None,
        changed: Callable[[], object] = lambda: None,
        *,
        resume: bool = False,
    ) -> None:
        """room: the recording is ended cleanly if the disk has less. changed(): called on the loop when `failed` is set.

        resume: continue the files that are in `folder`.
        """
        self.failed: str | None = None
        self.dropped = 0
        self._queue: deque[tuple[Packet, str | None, Treatment]] = deque()
        self._capacity = capacity
        self._files = _Files(folder)
        self._room = room
        self._changed = changed
        self._resume = resume
        self._resumable = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._done: asyncio.Future[None] | None = None
        self._opened: asyncio.Future[int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread, which makes the folder and the files; an error of the disk shows as `failed`.

        Raises RuntimeError if the system gives no thread.
        """
        self._loop = asyncio.get_running_loop()
        self._done, self._opened = self._loop.create_future(), self._loop.create_future()
        self._done.add_done_callback(lambda _: self._changed() if self.failed else None)
        thread = threading.Thread(target=self._run, name=f"recorder {self._files.folder.name}", daemon=True)
        thread.start()
        self._thread = thread

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def held_samples(self) -> int:
        """How many samples the files hold once they are open; add no packet before that. 0 if they are not open in time."""
        assert self._opened is not None
        done, _ = await asyncio.wait({self._opened}, timeout=OPEN_S)
        return self._opened.result() if done else 0

    def original(self, packet: Packet) -> None:
        """A packet as it came from the broadcaster. Never waits."""
        self._enqueue(packet, None, NO_REASON)

    def heard(self, packet: Packet, variant: str, why: Treatment | None = None) -> None:
        """A packet as `auto` listeners were sent it. variant: `original` or `denoised`; why: the reason, if it was the original."""
        self._enqueue(packet, variant, why or (Treatment(CLEAN) if variant == "denoised" else NO_REASON))

    def _enqueue(self, packet: Packet, variant: str | None, why: Treatment) -> None:
        if self.failed or self._closing.is_set() or len(self._queue) >= self._capacity:
            self.dropped += 1
        else:
            self._queue.append((packet, variant, why))

    async def close(self, *, resumable: bool = False) -> Totals:
        """Write what is queued, end both files at the same length, and return the totals. Idempotent; an error shows as `failed`.

        resumable: leave the files without an end, so that another recorder can continue them.
        """
        self._resumable = resumable
        self._closing.set()
        if self._done is not None and self._thread is not None:
            done, _ = await asyncio.wait({self._done}, timeout=CLOSE_S)
            if done:
                self._thread.join()  # it resolved `_done` last, so this does not block
            else:
                self.failed = "failed"
        return self._files.totals(self.dropped, self.failed)

    def _run(self) -> None:
        """The thread: write and sleep until `close` or an error, write the rest, end the files."""
        try:
            with self._files as files:
                self._resolve_from_thread(self._opened, files.resume() if self._resume else 0)
                wakes = 0
                while not self._closing.wait(WAKE_S) and not self.failed:
                    self._drain(files)
                    wakes += 1
                    if wakes % WAKES_A_DISK_CHECK == 0 and self._room is not None and not self._room.has():
                        self.failed = "storage_full"
                        logger.error("%s: the recording ends here: under %s bytes are left", files.folder.name, self._room.floor)
                self._drain(files)
                if self._resumable:
                    files.leave()
                else:
                    files.end()
        except OSError as error:
            self.failed = why_not(error)
            logger.error("%s: the recording ends here: %s", self._files.folder.name, error)
        finally:
            self._queue.clear()
            self._resolve_from_thread(self._opened, 0)
            self._resolve_from_thread(self._done, None)

    def _resolve_from_thread(self, future: asyncio.Future[T] | None, result: T) -> None:
        """Set a future's result from the thread; the first result counts."""
        assert self._loop is not None and future is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, future, result)

    def _drain(self, files: "_Files") -> None:
        """Write all queued packets."""
        while self._queue:
            files.write(*self._queue.popleft())


class _Files:
    """The two Opus files and the journal; used by the thread alone. Made with the first packet: without one there are none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._original: OpusFile | None = None
        self._heard: OpusFile | None = None
        self._journal: Journal | None = None  # of `heard.opus` or `denoised.opus`
        self._denoised = False
        self._packets = self._late = self._samples = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in (self._original, self._heard, self._journal):
            if file is not None:
                file.abandon()  # does nothing if it is closed already

    def resume(self) -> int:
        """Open both files, each at its own end; returns how many samples the longer one holds. Raises OSError."""
        self._denoised = (self.folder / DENOISED).exists()
        self._original = _resumed(self.folder / ORIGINAL)
        self._heard = _resumed(self.folder / (DENOISED if self._denoised else HEARD))
        self._samples = max((file.position for file in (self._original, self._heard) if file is not None), default=0)
        return self._samples

    def write(self, packet: Packet, variant: str | None, why: Treatment) -> None:
        """variant: None for `original.opus`; otherwise what `auto` listeners were sent, and why. Raises OSError."""
        if not packet.payload or packet.samples < QUANTUM:
            self._late += 1
            return
        channels = 2 if opus_is_stereo(packet.payload) else 1
        if self._original is None:
            self._original = OpusFile.create(self.folder / ORIGINAL, channels)
        if self._heard is None:
            self._heard = OpusFile.create(self.folder / (DENOISED if self._denoised else HEARD), channels)
        if self._journal is None:
            self._journal = Journal(self.folder / JOURNAL, self._heard.position)
        if variant == "denoised" and not self._denoised:
            (self.folder / HEARD).rename(self.folder / DENOISED)
            self._denoised = True
        file = self._original if variant is None else self._heard
        if packet.time < file.position:
            self._late += 1
            return
        file.fill(packet.time)
        file.packet(packet.payload, packet.samples)
        if variant is not None:
            self._journal.heard(packet, why)
        self._packets += variant is None
        self._samples = max(self._samples, packet.time + packet.samples)

    def end(self) -> None:
        """Close both files at the same length; delete the second one if it has no denoised packet."""
        if self._journal is not None:
            self._journal.close()
        if self._original is not None:
            self._original.close(self._samples)
        if self._heard is not None and self._denoised:
            self._heard.close(self._samples)
        elif self._heard is not None:
            self._heard.abandon()
            (self.folder / HEARD).unlink()

    def leave(self) -> None:
        """Write and close the files without an end; another recorder can continue them."""
        for file in (self._original, self._heard):
            if file is not None:
                file.leave()
        if self._journal is not None:
            self._journal.close()

    def totals(self, dropped: int, failed: str | None) -> Totals:
        files = [file for file in (self._original, self._heard if self._denoised else None) if file is not None]
        size = sum(file.size for file in files) + (self._journal.size if self._journal else 0)
        return Totals(self._samples / RATE_HZ, self._denoised, size, self._packets, dropped, self._late, failed)


def _resolve(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _resumed(path: Path) -> OpusFile | None:
    """Open a file to continue it; None if there is none, or nothing in it. Raises OSError, also if the file has ended."""
    try:
        file = OpusFile.resume(path)
    except FileNotFoundError:
        return None
    except ValueError:  # killed before its first page was written
        path.unlink()
        return None
    if file is None:
        raise OSError(errno.EINVAL, f"{path.name} has ended")
    return file
