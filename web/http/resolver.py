"""Names turned into addresses, a few at a time: a name server may take its time, and each question takes a thread."""

import asyncio
import contextlib
import ipaddress
import socket
import threading

AT_ONCE = 2
PATIENCE_S = 1.0  # an answer that takes longer is not waited for


class Resolver:
    """Owns at most `at_once` threads, which keep neither the loop's own ones busy nor the process from ending."""

    def __init__(self, at_once: int = AT_ONCE, patience_s: float = PATIENCE_S) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._patience_s = patience_s

    async def addresses(self, name: str) -> tuple[str, ...]:
        """All addresses of a name, each once, or what is one already; none where none is known in time."""
        with contextlib.suppress(ValueError):
            return (str(ipaddress.ip_address(name)),)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                await self._free.acquire()
                return await asyncio.shield(self._asked(name))
        return ()

    def _asked(self, name: str) -> "asyncio.Future[tuple[str, ...]]":
        """Ask in a thread, which gives its place back when it has an answer, however late."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()
        answer.add_done_callback(lambda _: self._free.release())

        def ask() -> None:
            found = _addresses(name)
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(answer.set_result, found)

        threading.Thread(target=ask, name="lookup", daemon=True).start()
        return answer


def _addresses(name: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError, ValueError):
        return ()
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))
