"""The one forkserver of this server, made anew when it is gone."""

import asyncio
import logging
import time
from collections import Counter, deque
from types import TracebackType

from sfu.standstill import Awake
from workers.link.forkserver import Forkserver

logger = logging.getLogger(__name__)

WINDOW_S = 60.0  # deaths within this are repeated ones
BACK_OFF_S = 1.0  # before the third forkserver within the window, doubled for each further one
MOST_BACK_OFF_S = 30.0
DEADLY = 2  # so many deaths over loading it, and a denoiser is not loaded again by this server


class ForkserverKeeper:
    """Owns the forkserver process. Asking for it makes one where there is none or the old one died; not too often.

    Its death is the end of every worker, so a denoiser that takes it along when it is loaded is found out and refused.
    """

    def __init__(self, share: int = 1, awake: Awake | None = None) -> None:
        """share: the most broadcasts that one worker process serves."""
        self._share = share
        self._awake = awake or Awake()
        self._forkserver: Forkserver | None = None
        self._deaths: deque[float] = deque(maxlen=16)
        self._blamed: Counter[str] = Counter()
        self._not_before = 0.0  # monotonic seconds
        self._making = asyncio.Lock()  # two broadcasts that ask at once share the one that is made

    async def __aenter__(self) -> "ForkserverKeeper":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        async with self._making:
            await self._let_go()

    async def forkserver(self) -> Forkserver:
        """Return a living forkserver. Raises WorkerFailed when none can be started."""
        async with self._making:
            if self._forkserver is not None and not self._forkserver.alive:
                await self._mourn(self._forkserver)
            if self._forkserver is None:
                await asyncio.sleep(self._not_before - time.monotonic())
                refused = [name for name, times in self._blamed.items() if times >= DEADLY]
                self._forkserver = await Forkserver(self._share, refused, timeout=self._awake.timeout).__aenter__()
            return self._forkserver

    async def _mourn(self, forkserver: Forkserver) -> None:
        """Let the dead one go; the next has to wait where they die too fast, whoever asks for it then."""
        now = time.monotonic()
        self._deaths.append(now)
        if forkserver.last_asked is not None:
            self._blamed[forkserver.last_asked] += 1
        often = sum(now - death < WINDOW_S for death in self._deaths)
        wait_s = min(BACK_OFF_S * 2 ** (often - 3), MOST_BACK_OFF_S) if often > 2 else 0.0
        over = f" over {forkserver.last_asked}" if forkserver.last_asked else ""
        logger.warning("the forkserver (pid %s) has died%s; another is made in %g s", forkserver.pid, over, wait_s)
        self._not_before = now + wait_s
        await self._let_go()

    async def _let_go(self) -> None:
        forkserver, self._forkserver = self._forkserver, None
        if forkserver is not None:
            await forkserver.__aexit__(None, None, None)
