"""The one nursery of this server, made anew when it is gone."""

import asyncio
import logging
import time
from collections import Counter, deque
from types import TracebackType

from sfu.standstill import Awake
from workers.link.forkserver import Nursery

logger = logging.getLogger(__name__)

WINDOW_S = 60.0  # deaths within this are repeated ones
BACK_OFF_S = 1.0  # before the third nursery within the window, doubled for each further one
MOST_BACK_OFF_S = 30.0
DEADLY = 2  # so many deaths over loading it, and a denoiser is not loaded again by this server


class Nursing:
    """Owns the nursery process. Asking for it makes one where there is none or the old one died; not too often.

    Its death is the end of every worker, so a denoiser that takes it along when it is loaded is found out and refused.
    """

    def __init__(self, share: int = 1, awake: Awake | None = None) -> None:
        """share: the most broadcasts that one worker process serves."""
        self._share = share
        self._awake = awake or Awake()
        self._nursery: Nursery | None = None
        self._deaths: deque[float] = deque(maxlen=16)
        self._blamed: Counter[str] = Counter()
        self._not_before = 0.0  # monotonic seconds
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
                await self._mourn(self._nursery)
            if self._nursery is None:
                await asyncio.sleep(self._not_before - time.monotonic())
                refused = [name for name, times in self._blamed.items() if times >= DEADLY]
                self._nursery = await Nursery(self._share, refused, timeout=self._awake.timeout).__aenter__()
            return self._nursery

    async def _mourn(self, nursery: Nursery) -> None:
        """Let the dead one go; the next has to wait where they die too fast, whoever asks for it then."""
        now = time.monotonic()
        self._deaths.append(now)
        if nursery.last_asked is not None:
            self._blamed[nursery.last_asked] += 1
        often = sum(now - death < WINDOW_S for death in self._deaths)
        wait_s = min(BACK_OFF_S * 2 ** (often - 3), MOST_BACK_OFF_S) if often > 2 else 0.0
        over = f" over {nursery.last_asked}" if nursery.last_asked else ""
        logger.warning("the nursery (pid %s) has died%s; another is made in %g s", nursery.pid, over, wait_s)
        self._not_before = now + wait_s
        await self._let_go()

    async def _let_go(self) -> None:
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            await nursery.__aexit__(None, None, None)
