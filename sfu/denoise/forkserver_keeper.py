"""The one forkserver process of this server, replaced when it has died."""

import asyncio
import logging
import time
from collections import Counter, deque
from contextlib import AsyncExitStack
from types import TracebackType

from sfu.standstill import StandstillDetector
from workers.link.forkserver import Forkserver

logger = logging.getLogger(__name__)

WINDOW_S = 60.0  # deaths within this time count together
BACK_OFF_S = 1.0  # before the third forkserver within the window, doubled for each further one
MAX_BACK_OFF_S = 30.0
DEADLY_TIMES = 2  # deaths while loading a denoiser after which this server refuses that denoiser


class ForkserverKeeper:
    """Owns the forkserver process. `forkserver` starts one where there is none or the old one died, with a back-off.

    Its death ends every worker, so a denoiser that kills it while loading is identified and refused.
    """

    def __init__(self, share: int = 1, standstill: StandstillDetector | None = None) -> None:
        """share: the most broadcasts that one worker process serves."""
        self._share = share
        self._standstill = standstill or StandstillDetector()
        self._forkserver: Forkserver | None = None
        self._closing = AsyncExitStack()  # of the present forkserver
        self._deaths: deque[float] = deque(maxlen=16)
        self._blamed: Counter[str] = Counter()
        self._not_before = 0.0  # monotonic seconds
        self._making = asyncio.Lock()  # two broadcasts that ask at once share one

    async def __aenter__(self) -> "ForkserverKeeper":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        async with self._making:
            await self._close()

    async def forkserver(self) -> Forkserver:
        """Return a living forkserver. Raises WorkerFailed when none can be started."""
        async with self._making:
            if self._forkserver is not None and not self._forkserver.alive:
                await self._close_dead(self._forkserver)
            if self._forkserver is None:
                await asyncio.sleep(self._not_before - time.monotonic())
                refused = [name for name, times in self._blamed.items() if times >= DEADLY_TIMES]
                self._forkserver = await self._closing.enter_async_context(
                    Forkserver(self._share, refused, timeout=self._standstill.timeout)
                )
            return self._forkserver

    async def _close_dead(self, forkserver: Forkserver) -> None:
        """Close the dead process. The next start waits where several died within WINDOW_S."""
        now = time.monotonic()
        self._deaths.append(now)
        if forkserver.last_asked is not None:
            self._blamed[forkserver.last_asked] += 1
        often = sum(now - death < WINDOW_S for death in self._deaths)
        wait_s = min(BACK_OFF_S * 2 ** (often - 3), MAX_BACK_OFF_S) if often > 2 else 0.0
        over = f" while loading {forkserver.last_asked}" if forkserver.last_asked else ""
        logger.warning("the forkserver (pid %s) has died%s; another is started in %g s", forkserver.pid, over, wait_s)
        self._not_before = now + wait_s
        await self._close()

    async def _close(self) -> None:
        self._forkserver = None
        await self._closing.aclose()
