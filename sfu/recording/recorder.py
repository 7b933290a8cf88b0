"""A listener whose ear is a file: packets go into a bounded queue on the loop, one thread of its own writes them.

`original.opus` holds the packets as they came, `denoised.opus` the line that `auto` listeners heard. The second one begins
with the first packet too, as `heard.opus`, and gets its name with the first denoised packet in it: so both have the same
time line from 0 on, and a crash leaves behind what is true. Without any denoised packet it is deleted at the end.
`spans.log` says from when on that line was clean, uncleaned or nothing at all, and why (`workers.recordings.spans`).

What a crash, or `close(resumable=True)`, has left can be gone on with: the files are continued, and the gap is silence.
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

from sfu.wire.rtp import opus_is_stereo
from workers.disk_room import DiskRoom, why_not
from workers.link.ring import Packet
from workers.recordings.opusfile import DENOISED, HEARD, ORIGINAL, QUANTUM, RATE_HZ, OpusFile
from workers.recordings.spans import BYPASS, CLEAN, JOURNAL, Journal, Treatment

logger = logging.getLogger(__name__)

CAPACITY = 8192  # packets on their way to the disk: over a minute of both lines at 20 ms; then the new ones are dropped
WAKE_S = 0.1  # how often the thread looks; with a page of 0.2 s at most 0.3 s are unwritten
OPEN_S = 5.0  # a disk that takes longer than this to open two files does not hold up the others
CLOSE_S = 5.0  # a disk that takes longer than this to end two files is left to itself
LOOK = 10  # wakes between two looks at the room that is left
UNTOLD = Treatment(BYPASS)
T = TypeVar("T")


class Totals(NamedTuple):
    """What a recording came to. Sizes in bytes, of the files as they lie there."""

    duration_s: float
    denoised: bool  # any of it was
    size_bytes: int
    packets: int  # of `original`
    dropped: int  # had no room in the queue
    late: int  # lay before what was written already, or were no packets at all
    failed: str | None  # why nothing more was written: `storage_full`, `failed`, or None


class Recorder:
    """Owns the two files of one broadcast and the thread that writes them. `close` is idempotent and waits for both."""

    def __init__(
        self,
        folder: Path,
        capacity: int = CAPACITY,
        room: DiskRoom | None = None,
        changed: Callable[[], object] = lambda: None,
        *,
        resume: bool = False,
    ) -> None:
        """room: how much may be written; where that ends, so do the files, cleanly. changed(): called on the loop when `failed` is set.

        resume: go on with the files that are there.
        """
        self.failed: str | None = None
        self.dropped = 0
        self._queue: deque[tuple[Packet, str | None, Treatment]] = deque()
        self._capacity = capacity
        self._tape = _Tape(folder)
        self._room = room
        self._changed = changed
        self._resume = resume
        self._resumable = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._done: asyncio.Future[None] | None = None
        self._opened: asyncio.Future[int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        """Start the thread; it makes the folder and the files. Waits for nothing: an error shows as `failed`."""
        self._loop = asyncio.get_running_loop()
        self._done, self._opened = self._loop.create_future(), self._loop.create_future()
        self._done.add_done_callback(lambda _: self._changed() if self.failed else None)
        self._thread = threading.Thread(target=self._run, name=f"recorder {self._tape.folder.name}", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def held_samples(self) -> int:
        """What the files hold, once they are open: nothing may be put in before it. 0 where they cannot be opened in time."""
        assert self._opened is not None
        done, _ = await asyncio.wait({self._opened}, timeout=OPEN_S)
        return self._opened.result() if done else 0

    def original(self, packet: Packet) -> None:
        """A packet as it came from the broadcaster. Never waits; without room it is dropped and counted."""
        self._put(packet, None, UNTOLD)

    def heard(self, packet: Packet, variant: str, why: Treatment | None = None) -> None:
        """A packet as `auto` listeners were sent it; variant: `original` or `denoised`, which it really was; why: it was that one."""
        self._put(packet, variant, why or (Treatment(CLEAN) if variant == "denoised" else UNTOLD))

    def _put(self, packet: Packet, variant: str | None, why: Treatment) -> None:
        if self.failed or self._closing.is_set() or len(self._queue) >= self._capacity:
            self.dropped += 1
        else:
            self._queue.append((packet, variant, why))

    async def close(self, *, resumable: bool = False) -> Totals:
        """Write what is queued, end both files at the same length, and tell the totals. Raises nothing for the disk's sake.

        resumable: the files are left without an end, for another recorder to go on with.
        """
        self._resumable = resumable
        self._closing.set()
        if self._done is not None and self._thread is not None:
            done, _ = await asyncio.wait({self._done}, timeout=CLOSE_S)
            if done:
                self._thread.join()  # it has said goodbye: nothing is left to wait for
            else:
                self.failed = "failed"
        return self._tape.totals(self.dropped, self.failed)

    def _run(self) -> None:
        """The thread: drain and sleep while there is room, drain once more, end the files."""
        try:
            with self._tape as tape:
                self._tell(self._opened, tape.resume() if self._resume else 0)
                wakes = 0
                while not self._closing.wait(WAKE_S) and not self.failed:
                    self._drain(tape)
                    wakes += 1
                    if wakes % LOOK == 0 and self._room is not None and not self._room.has():
                        self.failed = "storage_full"
                        logger.error("%s: the recording ends here: under %s bytes are left", tape.folder.name, self._room.floor)
                self._drain(tape)
                if self._resumable:
                    tape.leave()
                else:
                    tape.end()
        except OSError as error:
            self.failed = why_not(error)
            logger.error("%s: the recording ends here: %s", self._tape.folder.name, error)
        finally:
            self._queue.clear()
            self._tell(self._opened, 0)
            self._tell(self._done, None)

    def _tell(self, future: asyncio.Future[T] | None, result: T) -> None:
        """From the thread to the loop; the first result counts."""
        assert self._loop is not None and future is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_settle, future, result)

    def _drain(self, tape: "_Tape") -> None:
        while self._queue:
            tape.write(*self._queue.popleft())


class _Tape:
    """Both files as the thread sees them; only it touches them. Opened with the first packet, so that an empty one leaves none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._original: OpusFile | None = None
        self._heard: OpusFile | None = None
        self._journal: Journal | None = None  # of the line that is heard
        self._denoised = False
        self._packets = self._late = self._samples = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in (self._original, self._heard, self._journal):
            if file is not None:
                file.abandon()  # does nothing where it was closed well

    def resume(self) -> int:
        """Take up both files where the last recorder left them, each at its own end; how many samples the longer one holds."""
        self._denoised = (self.folder / DENOISED).exists()
        self._original = _taken_up(self.folder / ORIGINAL)
        self._heard = _taken_up(self.folder / (DENOISED if self._denoised else HEARD))
        self._samples = max((file.position for file in (self._original, self._heard) if file is not None), default=0)
        return self._samples

    def write(self, packet: Packet, variant: str | None, why: Treatment) -> None:
        """variant: None for the line `original`, else what the packet of the line that was heard is, and why."""
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
        """Close both files at the same length; forget the line that was heard if it was but the original."""
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
        """Write all that is there; another recorder may go on with the files."""
        for file in (self._original, self._heard):
            if file is not None:
                file.leave()
        if self._journal is not None:
            self._journal.close()

    def totals(self, dropped: int, failed: str | None) -> Totals:
        files = [file for file in (self._original, self._heard if self._denoised else None) if file is not None]
        size = sum(file.size for file in files) + (self._journal.size if self._journal else 0)
        return Totals(self._samples / RATE_HZ, self._denoised, size, self._packets, dropped, self._late, failed)


def _settle(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _taken_up(path: Path) -> OpusFile | None:
    """A file to go on with; None where there is none, or nothing in it. Raises OSError, also for one that has its end already."""
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
