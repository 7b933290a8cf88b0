"""The one nursery of this server, made anew when it is gone."""

import asyncio
import logging
from types import TracebackType

from workers.nursery import Nursery

logger = logging.getLogger(__name__)


class Nursing:
    """Owns the nursery process. Asking for it makes one where there is none or the old one died."""

    def __init__(self, share: int = 1) -> None:
        """share: the most broadcasts that one worker process serves."""
        self._share = share
        self._nursery: Nursery | None = None
        self._making = asyncio.Lock()  # two broadcasts that ask at once share the one that is made

    async def __aenter__(self) -> "Nursing":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        async with self._making:
            await self._let_go()

    async def nursery(self) -> Nursery:
        """Return a living nursery. Raises WorkerFailed when none can be started."""
        async with self._making:
            if self._nursery is not None and not self._nursery.alive:
                logger.warning("the nursery (pid %s) is gone; making another", self._nursery.pid)
                await self._let_go()
            if self._nursery is None:
                self._nursery = await Nursery(self._share).__aenter__()
            return self._nursery

    async def _let_go(self) -> None:
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            await nursery.__aexit__(None, None, None)
