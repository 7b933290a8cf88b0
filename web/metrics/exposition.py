"""The text of /metrics, for any number of scrapes."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from web.http.metrics import Samples

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SHARE = 20  # a text is given again for so many times what it took to make: scrapes take at most a twentieth of the loop's time


class Exposition:
    """Makes the text when it is asked for, in pieces, between which the loop does all else: no packet waits for a text.

    With scrapes every 100 ms each is still new where a text takes less than 5 ms.
    """

    def __init__(self, sources: list[Samples], clock: Callable[[], float] = time.monotonic) -> None:
        """sources: may still grow."""
        self._sources = sources
        self._clock = clock
        self._registry: CollectorRegistry | None = None
        self._making = asyncio.Lock()
        self._text = b""
        self._good_until = 0.0

    async def text(self) -> bytes:
        """In Prometheus' text format. Scrapes that come meanwhile wait for the same text."""
        async with self._making:
            if self._clock() >= self._good_until:
                await self._make()
        return self._text

    async def _make(self) -> None:
        if self._registry is None:
            await asyncio.to_thread(__import__, "web.metrics.rendering")  # 20 ms
        from web.metrics.rendering import pieces_of, registry_of

        self._registry = self._registry or registry_of(self._sources)
        pieces, spent_s, began = [], 0.0, self._clock()
        for piece in pieces_of(self._registry):
            pieces.append(piece)
            spent_s += self._clock() - began
            await asyncio.sleep(0)
            began = self._clock()
        self._text = b"".join(pieces)
        self._good_until = began + SHARE * spent_s


EXPOSITION = web.AppKey("EXPOSITION", Exposition)
