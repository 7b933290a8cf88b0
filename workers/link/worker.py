"""One voice's worker process as the server sees it: its messages, its end, and how it is closed."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress

from workers.errors import WorkerFailed
from workers.link.control import ControlError, LineBuffer, Message, Ready, WorkerFailure, dump, parse

_LEAVE_S = 0.3  # per step of closing: Stop is answered within a second even where the worker hangs
_HUNG_S = 1.0  # a shared worker that has not released a voice by then hangs
_DEAD_S = 5.0  # after SIGKILL, when only the kernel can be slow
# Steps of closing: how long to wait for the end, and the signal to send after that.
_Ways = tuple[tuple[float, signal.Signals | None], ...]
_ALONE: _Ways = ((_LEAVE_S, signal.SIGTERM), (_LEAVE_S, signal.SIGKILL), (_DEAD_S, None))
_SHARED: _Ways = ((_HUNG_S, signal.SIGKILL), (_DEAD_S, None))  # its other voices are killed only where it hangs
_NOT_YET: _Ways = ((_HUNG_S, None),)  # it loads, or the forkserver is busy: others may wait for it, and it holds nothing of this voice


Timeout = Callable[[float], AbstractAsyncContextManager[object]]


class Worker:
    """Owns the server's end of the control line and, where the system has them, a pidfd. States: alive, then gone for good.

    `gone` is set when the line ends: with the process, or, if that is shared, when it releases this voice.
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
        """shared: other voices may be in that process. loading: it has still to load its denoiser, which may take long.

        timeout: like asyncio.timeout; counts the time until it is ready.
        """
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
        """Call with every message from now on, on the event loop."""
        self._message = callback

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call once when the process has ended; soon, if it already has."""
        self._end = callback
        if self.gone.is_set():
            self._loop.call_soon(callback)

    async def ready(self, timeout_s: float) -> Ready:
        """Wait for the worker's Ready. Raises WorkerFailed when it fails, ends or is silent for so long.

        One that loads for longer is killed, also for the other voices that wait for it: else new ones might wait for it for ever.
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
        """Send a message to the worker; lost when it has ended, or has thousands of messages unread."""
        with suppress(OSError):
            self._line.send(dump(message))

    def kill(self) -> None:
        """Kill the process, with all the voices that it serves."""
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        """End it, by closing its line, then SIGTERM, then SIGKILL; returns when it has ended. Idempotent.

        A shared worker gets no SIGTERM. One that still loads is left to the other voices that wait for it, or to the forkserver.
        If this is cancelled, the worker is killed at once unless it is shared, because nobody would close it again.
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
        """Set when the process has ended or, if it is shared, has released this voice."""
        if self._pidfd is None or self._shared:
            yield self.gone
            return
        dead, pidfd = asyncio.Event(), self._pidfd
        self._loop.add_reader(pidfd, dead.set)
        try:
            yield dead
        finally:
            self._loop.remove_reader(pidfd)  # at once: a moment later the number may be of another descriptor

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
        with suppress(ControlError):  # what cannot be parsed is ignored
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
        self._ready.exception()  # retrieved, so that asyncio does not report it where nobody waits
