"""Loads the denoisers that will be asked for before anybody asks, so that a worker has all of them and every change is made in it."""

import asyncio
import json
import logging

from sfu.nursing import Nursing
from sfu.tasks import ended, lasting
from web.denoisers import Denoisers
from workers.errors import WorkerFailed
from workers.nursery import Nursery

logger = logging.getLogger(__name__)

AGAIN_S = 10.0  # after a nursery that could not be had: the next broadcast may have made one, of which nobody hears here


class Warming:
    """Has each nursery load what is ready, one by one, while nobody waits for a worker of its. Owns the task that sees to it."""

    def __init__(self, nursing: Nursing) -> None:
        self._nursing = nursing
        self._denoisers: Denoisers | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Warming":
        self._task = lasting(self._keep_warm(), name="warming the nursery")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await ended(self._task)

    def warm(self, denoisers: Denoisers) -> None:
        """Load what these can serve with now and is not loaded yet."""
        self._denoisers = denoisers
        self._news.set()

    async def _keep_warm(self) -> None:
        nursery: Nursery | None = None
        tried: set[str] = set()
        said = ""
        while True:
            await self._change(nursery)
            try:
                before, nursery = nursery, None
                nursery = await self._nursing.nursery()
                tried = tried if nursery is before else set()
                await self._load_all(nursery, tried)
                said = ""
            except (WorkerFailed, OSError) as error:
                if said != str(error):  # once, not again and again
                    logger.warning("no denoiser could be loaded beforehand: %s", error)
                said = str(error)

    async def _change(self, nursery: Nursery | None) -> None:
        """Wait for something else to be ready, or for the end of a nursery that lived; a while where there was to be one."""
        patience_s = AGAIN_S if nursery is None and self._denoisers is not None else None
        waits = [asyncio.create_task(self._news.wait())]
        waits += [asyncio.create_task(nursery.gone.wait())] if nursery is not None else []
        try:
            await asyncio.wait(waits, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        self._news.clear()

    async def _load_all(self, nursery: Nursery, tried: set[str]) -> None:
        """tried: what this nursery was asked to load, with its options; once is enough."""
        assert self._denoisers is not None
        loaded = []
        for name in self._denoisers.beforehand():
            options = self._denoisers.options(name)
            key = json.dumps([name, options], sort_keys=True, default=str)
            if key in tried or not nursery.alive:
                continue
            await nursery.idle()  # who wants a worker goes first
            tried.add(key)
            try:
                await nursery.load(name, options)
                loaded.append(name)
            except WorkerFailed as error:
                logger.warning("%s could not be loaded beforehand: %s", name, error)
        if loaded:
            logger.info("loaded beforehand: %s", ", ".join(loaded))
