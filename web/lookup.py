"""Names turned into addresses, a few at a time: a name server may take its time, and each question takes a thread."""

import asyncio
import contextlib
import ipaddress
import socket
import threading

AT_ONCE = 2
PATIENCE_S = 1.0  # an answer that takes longer is not waited for


class Lookup:
    """Owns at most AT_ONCE threads, which keep neither the loop's own ones busy nor the process from ending."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    async def address(self, host: str) -> str | None:
        """The address of a name, or of what is one already, a port after it left out; None where none is known in time."""
        name = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host.rsplit(":", 1)[0]
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(name))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._free.acquire()
                return await asyncio.shield(self._asked(name))
        return None

    def _asked(self, name: str) -> "asyncio.Future[str | None]":
        """Ask in a thread, which gives its place back when it has an answer, however late."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()
        answer.add_done_callback(lambda _: self._free.release())

        def ask() -> None:
            found = _address(name)
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(answer.set_result, found)

        threading.Thread(target=ask, name="lookup", daemon=True).start()
        return answer


def _address(name: str) -> str | None:
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)[0][4][0])
    except (OSError, UnicodeError, ValueError):
        return None
