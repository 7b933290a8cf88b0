"""Loads denoisers in advance, so that each worker has all of them and can change between them."""

import asyncio
import json
import logging

from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.tasks import cancel_and_wait, start_task
from web.denoisers.catalogue import DenoiserCatalogue
from workers.errors import WorkerFailed
from workers.link.forkserver import Forkserver

logger = logging.getLogger(__name__)

AGAIN_S = 10.0  # until the next try after a forkserver that did not start; a broadcast may have started one meanwhile


class Preloader:
    """Makes each forkserver load the available denoisers, one by one, while nobody waits for a worker. Owns the task that does it.

    The default and denoisers without a model are loaded at once. The other models take tens of megabytes each, so they are loaded when
    the first broadcast begins.
    """

    def __init__(self, keeper: ForkserverKeeper) -> None:
        self._keeper = keeper
        self._denoisers: DenoiserCatalogue | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loading = asyncio.Lock()
        self._preloaded: Forkserver | None = None
        self._tried: set[str] = set()  # what that forkserver was asked to load, with its options
        self._spoken = False  # there has been a broadcast

    async def __aenter__(self) -> "Preloader":
        self._task = start_task(self._keep_preloaded(), name="preloading denoisers")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)

    def preload(self, denoisers: DenoiserCatalogue) -> None:
        """Load what is available now and not loaded yet."""
        self._denoisers = denoisers
        self._news.set()

    async def forkserver(self) -> Forkserver:
        """A running forkserver with all denoisers loaded; the first broadcast waits a fraction of a second. Raises WorkerFailed."""
        self._spoken = True
        forkserver = await self._keeper.forkserver()
        await self._load(forkserver)
        return forkserver

    async def _keep_preloaded(self) -> None:
        forkserver: Forkserver | None = None
        said = ""
        while True:
            await self._change(forkserver)
            try:
                forkserver = None
                forkserver = await self._keeper.forkserver()
                await self._load(forkserver)
                said = ""
            except (WorkerFailed, OSError) as error:
                if said != str(error):  # the same error is logged once
                    logger.warning("no denoiser could be loaded beforehand: %s", error)
                said = str(error)

    async def _change(self, forkserver: Forkserver | None) -> None:
        """Wait for new denoisers, or for the end of the running forkserver; where it did not start, AGAIN_S at most."""
        patience_s = AGAIN_S if forkserver is None and self._denoisers is not None else None
        waits = [asyncio.create_task(self._news.wait())]
        waits += [asyncio.create_task(forkserver.gone.wait())] if forkserver is not None else []
        try:
            await asyncio.wait(waits, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        self._news.clear()

    async def _load(self, forkserver: Forkserver) -> None:
        async with self._loading:
            if forkserver is not self._preloaded:
                self._preloaded, self._tried = forkserver, set()
            loaded = [name for name in self._wanted() if await self._is_loaded(forkserver, name)]
        if loaded:
            logger.info("loaded beforehand: %s", ", ".join(loaded))

    def _wanted(self) -> list[str]:
        """What to load, the most useful first; before the first broadcast without the models that only some ask for."""
        if self._denoisers is None:
            return []
        names = self._denoisers.beforehand()
        return [name for name in names if self._spoken or name == names[0] or not self._denoisers.options(name)]

    async def _is_loaded(self, forkserver: Forkserver, name: str) -> bool:
        """Load it, where that was not tried yet. Whether it is loaded now."""
        assert self._denoisers is not None
        options = self._denoisers.options(name)
        key = json.dumps([name, options], sort_keys=True, default=str)
        if key in self._tried or not forkserver.alive:
            return False
        await forkserver.idle()  # whoever waits for a worker goes first
        self._tried.add(key)
        try:
            await forkserver.load(name, options)
        except WorkerFailed as error:
            logger.warning("%s could not be loaded beforehand: %s", name, error)
            return False
        return True
