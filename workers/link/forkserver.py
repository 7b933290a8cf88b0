"""The forkserver as the server sees it. Light: no model, no numpy, nothing that blocks.

The forkserver is exec'd, not forked from the server; it forks the workers. Both end when their socket ends.
"""

import asyncio
import json
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from workers.errors import WorkerFailed
from workers.link.bell import Bell
from workers.link.ring import Ring
from workers.link.worker import Timeout, Worker
from workers.root import ROOT, module_command, module_environment

__all__ = ["Forkserver", "Worker"]

ANSWER_S = 60.0  # other models may be loaded before this request
LEAVE_S = 2.0  # while it loads a model it does not see its socket end
_MAX_MESSAGE = 65_536
# No library in the forkserver may start a thread: a fork would lose it. ONNX Runtime's own thread sends telemetry.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ORT_DISABLE_TELEMETRY"), "1")


class Forkserver:
    """A process that has denoisers loaded. Owns the process and its socket; `gone` is set when it ends, which is final."""

    def __init__(
        self, share: int = 1, refused: Collection[str] = (), patience_s: float = ANSWER_S, timeout: Timeout = asyncio.timeout
    ) -> None:
        """share: the most voices that one worker process serves; one that cannot be forked serves all.

        refused: denoisers that are not loaded, because loading them has killed the forkserver.
        patience_s: a forkserver that has not answered for so long is killed.   timeout: like asyncio.timeout; counts that time.
        """
        self.last_asked: str | None = None  # the denoiser of the oldest unanswered request when it died
        self._share = share
        self._patience_s = patience_s
        self._timeout = timeout
        self._refused = refused
        self._busy_with: dict[int, str] = {}
        self.gone = asyncio.Event()
        self._asked: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._count = 0
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> Self:
        """Start the process. Raises WorkerFailed."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            near.setblocking(False)
            # Not `child.run_module`: it is handed a socket, outlives every call, and its stderr is the server's.
            self._process = await asyncio.create_subprocess_exec(
                *module_command("workers.forkserver.main", far.fileno(), os.getpid()),
                pass_fds=[far.fileno()],
                start_new_session=True,  # Ctrl-C is for the server, which then ends the forkserver
                stdin=asyncio.subprocess.DEVNULL,
                env=module_environment(**_ONE_THREAD),
                cwd=ROOT,
            )
        except BaseException as error:
            near.close()
            if isinstance(error, OSError):
                raise WorkerFailed(f"the forkserver does not start: {error}") from error
            raise
        finally:
            far.close()
        self._socket = near
        asyncio.get_running_loop().add_reader(near, self._hear)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it, by closing its socket, then SIGKILL (at once, if this is cancelled). Its workers end with it."""
        self._end()
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()
        except asyncio.CancelledError:
            self._kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self.gone.is_set()

    async def idle(self) -> None:
        """Wait until every request is answered."""
        while self._asked:
            await asyncio.wait(self._asked.values())

    async def load(self, denoiser: str, options: Mapping[str, object]) -> None:
        """Load a denoiser's model; returns at once if it is loaded. Raises WorkerFailed."""
        await self._ask("load", denoiser, options)

    async def spawn(
        self,
        denoiser: str,
        options: Mapping[str, object],
        noisy: Ring,
        noisy_bell: Bell,
        clean: Ring,
        clean_bell: Bell,
        *,
        delay: int = 0,
    ) -> Worker:
        """Fork a worker on these rings (which stay the caller's), or have one with room serve them. Raises WorkerFailed.

        The model is loaded first if need be. delay: samples that the whole pipeline has to take at least.
        """
        near, far = socket.socketpair()
        try:
            fds = [noisy.fd, noisy_bell.handed, clean.fd, clean_bell.handed, far.fileno()]
            answer, pidfds = await self._ask("spawn", denoiser, options, fds, delay=delay, share=self._share)
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
        return Worker(
            answer["pid"], pidfds[0] if pidfds else None, near, shared=answer["shared"], loading=answer["loading"], timeout=self._timeout
        )

    async def _ask(
        self, what: str, denoiser: str, options: Mapping[str, object], fds: Sequence[int] = (), **more: object
    ) -> tuple[dict[str, Any], list[int]]:
        if denoiser in self._refused:
            raise WorkerFailed(f"{denoiser} is not loaded, because loading it has repeatedly ended the forkserver", reason="deadly")
        if self._socket is None:
            raise WorkerFailed("the forkserver is gone", reason="forkserver_gone")
        self._count += 1
        ask = self._count
        question = {"ask": ask, "do": what, "denoiser": denoiser, "options": dict(options), **more}
        try:
            socket.send_fds(self._socket, [json.dumps(question, default=str).encode()], fds)
        except OSError as error:  # also a full buffer: a forkserver that has read nothing for so long hangs
            raise WorkerFailed(f"the forkserver does not listen: {error}", reason="forkserver_gone") from error
        self._busy_with[ask] = denoiser
        asked = self._asked[ask] = asyncio.get_running_loop().create_future()
        try:
            async with self._timeout(self._patience_s):
                answer, pidfds = await _received(asked)
        except TimeoutError:
            self._kill()
            raise WorkerFailed(f"the forkserver has not answered for {self._patience_s:g} s", reason="forkserver_gone") from None
        finally:
            del self._asked[ask]
        if "error" in answer:
            raise WorkerFailed(answer["error"], answer["reason"])
        return answer, pidfds

    def _kill(self) -> None:
        """It hangs: every request fails, and its workers end."""
        self._end()
        with suppress(ProcessLookupError):  # it may have ended just now
            self._process.kill()

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            message, fds, _, _ = socket.recv_fds(self._socket, _MAX_MESSAGE, 1)
        except BlockingIOError:
            return
        except OSError:
            message, fds = b"", []
        if not message:
            self._end()
            return
        answer = json.loads(message)
        self._busy_with.pop(answer["ask"], None)
        asked = self._asked.get(answer["ask"])
        if asked is None or asked.done():  # the caller was cancelled
            _close(fds)
        else:
            asked.set_result((answer, list(fds)))

    def _end(self) -> None:
        """Close the socket and fail all pending requests. Idempotent."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        self.last_asked = next(iter(self._busy_with.values()), None)
        self.gone.set()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(WorkerFailed("the forkserver is gone", reason="forkserver_gone"))


async def _received(asked: asyncio.Future[tuple[dict[str, Any], list[int]]]) -> tuple[dict[str, Any], list[int]]:
    try:
        return await asked
    except asyncio.CancelledError:
        if asked.done() and not asked.cancelled() and not asked.exception():
            _close(asked.result()[1])  # the answer came at the same moment
        raise


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
