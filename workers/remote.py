"""One voice's denoise process as the server sees it: its words, its death, and how it is made to leave."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from workers.control import ControlError, Failed, Lines, Message, Ready, dump, parse
from workers.errors import WorkerFailed

_LEAVE_S = 0.3  # for each way of asking: Stop is answered within a second also where the worker hangs
_HUNG_S = 1.0  # a shared one that has not given up a voice by then serves nobody
_DEAD_S = 5.0  # after SIGKILL: only the kernel can be slow now


class Worker:
    """Owns the server's end of the control line and, where the system has them, a pidfd. States: living, then gone for ever.

    `gone` is set when the line ends, and the line ends with the process; where it is shared, when it gives this voice up.
    Nothing here blocks the loop.
    """

    def __init__(self, pid: int, pidfd: int | None, line: socket.socket, shared: bool = False) -> None:
        self.pid = pid
        self._shared = shared
        self.gone = asyncio.Event()
        self._pidfd = pidfd
        self._line = line
        self._lines = Lines()
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
        """What the worker said when it was ready. Raises WorkerFailed when it fails, ends or says nothing for so long."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._ready), timeout_s)
        except TimeoutError:
            raise WorkerFailed(f"worker {self.pid} was not ready within {timeout_s} s", reason="not_ready") from None

    def send(self, message: Message) -> None:
        """Tell the worker something; lost when it is gone, or has not listened for thousands of messages."""
        with suppress(OSError):
            self._line.send(dump(message))

    def kill(self) -> None:
        """End it now, as a crash would, with all the voices that it serves."""
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        """Have it leave, by the end of its line, then SIGTERM, then SIGKILL; returns when it is dead. Idempotent.

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
        dead = self._loop.create_task(self.gone.wait() if self._pidfd is None or self._shared else _readable(self._pidfd))
        alone = ((_LEAVE_S, signal.SIGTERM), (_LEAVE_S, signal.SIGKILL), (_DEAD_S, None))
        shared = ((_HUNG_S, signal.SIGKILL), (_DEAD_S, None))  # the others in it pay only where it hangs
        try:
            for patience_s, then in shared if self._shared else alone:
                if await asyncio.wait({dead}, timeout=patience_s) and dead.done():
                    return
                if then is not None:
                    self._signal(then)
        finally:
            dead.cancel()
            await asyncio.wait({dead})

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
            elif isinstance(message, Failed):
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


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, told.cancel)
    try:
        await asyncio.wait({told})
    finally:
        loop.remove_reader(fd)
