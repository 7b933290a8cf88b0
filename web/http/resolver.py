"""DNS lookups, a few at a time: each blocks a thread until the name server answers."""

import asyncio
import contextlib
import ipaddress
import socket
import threading

AT_ONCE = 2
ANSWER_S = 1.0


class Resolver:
    """Owns at most `at_once` threads of its own: slow lookups neither fill the loop's thread pool nor delay the end of the process."""

    def __init__(self, at_once: int = AT_ONCE, timeout_s: float = ANSWER_S) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s

    async def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of a name, each once; of an address, itself. Empty where there is no answer within `timeout_s`."""
        with contextlib.suppress(ValueError):
            return (str(ipaddress.ip_address(name)),)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._free.acquire()
                return await asyncio.shield(self._asked(name))
        return ()

    def _asked(self, name: str) -> "asyncio.Future[tuple[str, ...]]":
        """Look the name up in a thread. The thread counts as busy until it has an answer, even after the timeout."""
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
