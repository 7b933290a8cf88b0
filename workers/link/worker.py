"""One voice's denoise process as the server sees it: its words, its death, and how it is made to leave."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress

from workers.errors import WorkerFailed
from workers.link.control import ControlError, LineBuffer, Message, Ready, WorkerFailure, dump, parse

_LEAVE_S = 0.3  # for each way of asking: Stop is answered within a second also where the worker hangs
_HUNG_S = 1.0  # a shared one that has not given up a voice by then serves nobody
_DEAD_S = 5.0  # after SIGKILL: only the kernel can be slow now
# How long a process has for its end, and what it gets if it has not ended by then.
_Ways = tuple[tuple[float, signal.Signals | None], ...]
_ALONE: _Ways = ((_LEAVE_S, signal.SIGTERM), (_LEAVE_S, signal.SIGKILL), (_DEAD_S, None))
_SHARED: _Ways = ((_HUNG_S, signal.SIGKILL), (_DEAD_S, None))  # the others in it pay only where it hangs, ready or not
_NOT_YET: _Ways = ((_HUNG_S, None),)  # it loads, or the forkserver has its hands full: others wait for it, and it owes nobody anything


Timeout = Callable[[float], AbstractAsyncContextManager[object]]


class Worker:
    """Owns the server's end of the control line and, where the system has them, a pidfd. States: living, then gone for ever.

    `gone` is set when the line ends, and the line ends with the process; where it is shared, when it gives this voice up.
    Nothing here blocks the loop.
    """

    def __init__(
        self,
        pid: int,
        pidfd: int | None,
        line: socket.socket,
        *,
        shared: bool = False,
        loading: bool = False,
        timeout: Timeout = asyncio.timeout,
    ) -> None:
        """shared: other voices may be in that process. loading: it has its denoiser still to load, which may take long.
        timeout: as asyncio's; how the time until it is ready is counted."""
        self.pid = pid
        self.loading = loading
        self._shared = shared
        self._timeout = timeout
        self.gone = asyncio.Event()
        self._pidfd = pidfd
        self._line = line
        self._lines = LineBuffer()
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Ready] = self._loop.create_future()
        self._message: Callable[[Message], None] = lambda message: None
        self._end: Callable[[], None] = lambda: None
        self._closed = False
        line.setblocking(False)
        self._loop.add_reader(line, self._hear)

    def on_message(self, callback: Callable[[Message], None]) -> None:
        """Call with every message from now on, on the loop."""
        self._message = callback

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call once when the process is dead; soon, when it is already."""
        self._end = callback
        if self.gone.is_set():
            self._loop.call_soon(callback)

    async def ready(self, timeout_s: float) -> Ready:
        """What the worker said when it was ready. Raises WorkerFailed when it fails, ends or says nothing for so long.

        One that loads for longer is killed, with all who wait for it: they might relieve each other before it for ever.
        """
        with suppress(TimeoutError):
            async with self._timeout(timeout_s):
                await asyncio.wait({self._ready})
        if not self._ready.done():
            self._fail(f"worker {self.pid} was not ready within {timeout_s} s", "not_ready")
            if self.loading:
                self.kill()
        self.loading = False
        return self._ready.result()

    def send(self, message: Message) -> None:
        """Tell the worker something; lost when it is gone, or has not listened for thousands of messages."""
        with suppress(OSError):
            self._line.send(dump(message))

    def kill(self) -> None:
        """End it now, as a crash would, with all the voices that it serves."""
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        """Have it leave, by the end of its line, then SIGTERM, then SIGKILL; returns when it is dead. Idempotent.

        Where it is shared, by the first and the last alone; while it loads, it is left to who waits for it too, or to the forkserver.
        Cancelled, it is killed at once, for nobody would ask it again; but not where others are served by it.
        """
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)
        try:
            await self._dead()
        except asyncio.CancelledError:
            if not self._shared:
                self.kill()
            raise
        finally:
            self._loop.remove_reader(self._line)
            self._line.close()
            if self._pidfd is not None:
                os.close(self._pidfd)
                self._pidfd = None
            self._finish()

    async def _dead(self) -> None:
        not_yet = self.loading and not self._ready.done()
        ways = _ALONE if not self._shared else _NOT_YET if not_yet else _SHARED
        with self._death() as dead:
            for patience_s, then in ways:
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await dead.wait()
                    return
                if then is not None:
                    self._signal(then)

    @contextmanager
    def _death(self) -> Iterator[asyncio.Event]:
        """Set when the process is dead; where it is shared, when it gives this voice up."""
        if self._pidfd is None or self._shared:
            yield self.gone
            return
        dead, pidfd = asyncio.Event(), self._pidfd
        self._loop.add_reader(pidfd, dead.set)
        try:
            yield dead
        finally:
            self._loop.remove_reader(pidfd)  # here and now: a moment later its number may be another's

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, number)
            elif not self.gone.is_set():
                os.kill(self.pid, number)

    def _hear(self) -> None:
        try:
            chunk = self._line.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._loop.remove_reader(self._line)
            self._finish()
            return
        with suppress(ControlError):  # what cannot be understood is passed over
            for line in self._lines.feed(chunk):
                self._told(parse(line))

    def _told(self, message: Message) -> None:
        if not self._ready.done():
            if isinstance(message, Ready):
                self._ready.set_result(message)
            elif isinstance(message, WorkerFailure):
                self._fail(message.text, message.reason)
        self._message(message)

    def _finish(self) -> None:
        if self.gone.is_set():
            return
        self.gone.set()
        if not self._ready.done():
            self._fail(f"worker {self.pid} ended before it was ready", "died")
        self._end()

    def _fail(self, text: str, reason: str) -> None:
        self._ready.set_exception(WorkerFailed(text, reason))
        self._ready.exception()  # seen, so that asyncio does not report it where nobody waits
