"""Models: finds, fetches and exports while somebody else serves. Upstream is a server of our own on 127.0.0.1."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workers.mirror import Upstream
from workers.disk_room import DiskRoom
from workers.models import export
from workers.models.store import ModelStore, WeightSources

NAME = "deepfilternet3"


class Heard:
    """Every state that `changed` announced."""

    def __init__(self) -> None:
        self.models: ModelStore | None = None
        self.reasons: list[str | None] = []
        self._waiting: list[tuple[Callable[[str], bool], asyncio.Event]] = []

    def changed(self) -> None:
        assert self.models is not None
        if self.reasons[-1:] == [self.models.state(NAME)[1]]:
            return  # another denoiser's news
        self.reasons.append(self.models.state(NAME)[1])
        for test, event in self._waiting:
            if test(self.reasons[-1] or ""):
                event.set()

    async def until(self, test: Callable[[str], bool]) -> None:
        event = asyncio.Event()
        self._waiting.append((test, event))
        await asyncio.wait_for(event.wait(), 30)


async def prepared(paths: list[Path], url: str, cache: Path, *, download: bool = True) -> tuple[ModelStore, list[str | None]]:
    heard = Heard()
    async with ModelStore(WeightSources(paths, url, download), cache, heard.changed) as models:
        heard.models = models
        await models.settled()
    return models, heard.reasons


async def test_found(one_model: Path, tmp_path: Path) -> None:
    """Weights in a folder of models.path are exported by a child; the second start uses what the first one made."""
    models, reasons = await prepared([tmp_path, one_model], "upstream", tmp_path / "cache")
    graph = models.graph(NAME)
    assert reasons == ["being prepared", None] and models.state(NAME) == (True, None)
    assert graph is not None and export.is_whole(graph)
    made = graph.stat().st_mtime_ns
    models, reasons = await prepared([one_model], "upstream", tmp_path / "cache")
    assert reasons == [None] and models.graph(NAME) == graph and graph.stat().st_mtime_ns == made


async def test_damaged_graph(one_model: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged graph is set aside, said in one line, and made again."""
    graph = next(cache.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1000])
    models, reasons = await prepared([one_model], "upstream", cache)
    assert reasons == ["being prepared", None] and export.is_whole(graph) and models.graph(NAME) == graph
    assert [record.levelname for record in caplog.records if "damaged" in record.message] == ["WARNING"]
    assert len(list(cache.glob("*.broken"))) == 1


async def test_damaged_sum(one_model: Path, cache: Path) -> None:
    """A sum beside the graph that is no text is damage like any other."""
    graph = next(cache.glob("*.onnx"))
    export.sum_file(graph).write_bytes(b"\xff\xfe")
    models, reasons = await prepared([one_model], "upstream", cache)
    assert reasons == ["being prepared", None] and export.is_whole(graph) and models.graph(NAME) == graph


async def test_fetched(upstream: tuple[Upstream, str], cache: Path) -> None:
    """Missing weights are fetched, with progress, into the cache, and found there the next time without asking."""
    server, url = upstream
    models, reasons = await prepared([], url, cache)
    assert models.state(NAME) == (True, None), reasons
    assert reasons[0] == "weights are being fetched" and "weights are being fetched: 100 %" in reasons
    assert {file.name for file in (cache / "weights" / "DeepFilterNet3").iterdir()} == {"config.ini", "checkpoints", "sha256sums", "source"}
    assert not list((cache / "weights").glob(".*zip.part"))
    await prepared([], url, cache)
    assert len(server.asked) == 1


async def test_resumes(upstream: tuple[Upstream, str], cache: Path) -> None:
    """What a broken-off transfer has brought is not fetched again."""
    server, url = upstream
    server.break_after = 3_000_000
    models, _ = await prepared([], url, cache)
    assert models.state(NAME) == (False, "no weights")
    server.break_after = None
    have = (cache / "weights" / ".DeepFilterNet3.zip.part").stat().st_size
    models, _ = await prepared([], url, cache)
    assert models.state(NAME) == (True, None)
    assert server.asked == [None, f"bytes={have}-"] and 0 < have <= 3_000_000


async def test_tried_again(upstream: tuple[Upstream, str], cache: Path) -> None:
    """A fetch that failed is tried again while the server runs, until there is something."""
    server, url = upstream
    server.break_after = 3_000_000
    heard = Heard()
    async with ModelStore(WeightSources([], url, True), cache, heard.changed, retry_s=(0.05,)) as models:
        heard.models = models
        await models.settled()
        assert models.state(NAME) == (False, "no weights")
        server.break_after = None
        async with asyncio.timeout(30):
            while models.state(NAME) != (True, None):
                await asyncio.sleep(0.05)
    assert models.options(NAME) == {"graph": str(models.graph(NAME))}
    assert heard.reasons.count("weights are being fetched") >= 2


@pytest.mark.tolerates("errors")
async def test_a_fault_of_ours(
    models_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is logged with its traceback and said, and keeps no other denoiser from being prepared."""

    def name(denoiser: str, *_: object) -> str:
        if denoiser == NAME:
            raise ValueError("nobody foresaw this")
        raise OSError("the disk is gone")

    monkeypatch.setattr(export, "graph_name", name)
    async with ModelStore(WeightSources([models_folder], "upstream", False), tmp_path, lambda: None) as models:
        await models.settled()
    assert models.state(NAME) == (False, "failed: nobody foresaw this")
    assert models.state("deepfilternet2") == (False, "failed: the disk is gone")
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


@pytest.mark.tolerates("errors")
async def test_a_fault_while_tidying(one_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong with old graphs is logged, and keeps no denoiser from being prepared."""

    def tidy(cache: Path) -> None:
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(export, "tidy", tidy)
    async with ModelStore(WeightSources([one_model], "upstream", False), tmp_path / "cache", lambda: None, device="cuda") as models:
        await models.settled()
    assert models.state(NAME) == (True, None)
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


@pytest.mark.tolerates("errors")
async def test_a_fault_of_who_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the task itself ends, that is logged with its traceback, and no state says for ever that something is being done."""

    def changed() -> None:
        raise RuntimeError("nobody foresaw this")

    async with ModelStore(WeightSources([], "upstream", False), tmp_path / "cache", changed) as models:
        await models.settled()
        assert models.state("deepfilternet2") == (False, "failed: nobody foresaw this")
    assert [record.levelname for record in caplog.records if record.exc_info][-1:] == ["ERROR"]


async def test_no_room(one_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk has no room above the floor nothing is exported, which is said; when there is, it is."""
    room = {"is left": False}
    monkeypatch.setattr(DiskRoom, "has", lambda room_of_it, wanted=0: room["is left"])
    heard = Heard()
    async with ModelStore(WeightSources([one_model], "upstream", False), tmp_path / "cache", heard.changed, retry_s=(0.05,)) as models:
        heard.models = models
        await models.settled()
        assert models.state(NAME) == (False, "no room on the disk") and not (tmp_path / "cache").exists()
        room["is left"] = True
        async with asyncio.timeout(60):
            while models.state(NAME) != (True, None):
                await asyncio.sleep(0.05)


async def test_cuda(one_model: Path, tmp_path: Path) -> None:
    """On CUDA the weights themselves are run: nothing is exported."""
    async with ModelStore(WeightSources([one_model], "upstream", False), tmp_path / "cache", lambda: None, device="cuda") as models:
        await models.settled()
    assert models.state(NAME) == (True, None) and models.graph(NAME) is None
    assert models.options(NAME) == {"weights": str(one_model / "DeepFilterNet3"), "device": "cuda"}
    assert not (tmp_path / "cache").exists() and models.options("rnnoise") == {}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
async def test_post_filter(device: str, one_model: Path, tmp_path: Path) -> None:
    """With the post filter the graph is another file beside the plain one; weights are given the option."""
    async with ModelStore(WeightSources([one_model], "upstream", False), tmp_path, lambda: None, device=device, post_filter=True) as models:
        await models.settled()
    weights = one_model / "DeepFilterNet3"
    graph = tmp_path / export.graph_name(NAME, weights, post_filter=True)
    assert graph.name != export.graph_name(NAME, weights) and export.is_whole(graph) == (device == "cpu")
    if device == "cpu":
        assert models.options(NAME) == {"graph": str(graph)}
    else:
        assert models.options(NAME) == {"weights": str(weights), "device": "cuda", "post_filter": True}


@pytest.mark.parametrize("vice", ["sum", "garbage", "half"])
async def test_bad_archive(vice: str, upstream: tuple[Upstream, str], cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An archive that is not what it should be is not used: one line in the log, no weights, nothing left of it."""
    server, url = upstream
    if vice == "sum":
        server.sum = "0" * 64
    else:
        server.archive = b"garbage" * 1000 if vice == "garbage" else server.archive[:4_000_000]
    models, _ = await prepared([], url, cache)
    assert models.state(NAME) == (False, "no weights") and models.graph(NAME) is None
    assert len(caplog.records) == 1
    assert not list((cache / "weights").glob("DeepFilterNet3")) and not list((cache / "weights").glob(".*part"))


async def test_right_sum(upstream: tuple[Upstream, str], cache: Path) -> None:
    """A mirror's sum beside its archive is checked, and may be right."""
    server, url = upstream
    server.sum = f"{hashlib.sha256(server.archive).hexdigest()}  DeepFilterNet3.zip\n"
    assert (await prepared([], url, cache))[0].state(NAME) == (True, None)


@pytest.mark.parametrize(("sum_", "status"), [(None, 500), ("<html>nothing here</html>", 200), ("x" * 64, 200)])
async def test_no_sum_to_be_had(
    sum_: str | None, status: int, upstream: tuple[Upstream, str], cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only a mirror that says that it has no sum goes unchecked; of any other nothing is taken, and one line says why."""
    server, url = upstream
    server.sum, server.no_sum = sum_, status
    assert (await prepared([], url, cache))[0].state(NAME) == (False, "no weights")
    assert not server.asked and [".sha256" in record.message for record in caplog.records] == [True]
    server.sum, server.no_sum = None, 403
    assert (await prepared([], url, cache))[0].state(NAME) == (True, None)


async def test_after_a_kill(upstream: tuple[Upstream, str], cache: Path) -> None:
    """What a fetch had unpacked when it was killed is taken away by the next."""
    left = cache / "weights" / ".DeepFilterNet3-killed" / "DeepFilterNet3"
    left.mkdir(parents=True)
    assert (await prepared([], upstream[1], cache))[0].state(NAME) == (True, None)
    assert not left.parent.exists()


async def test_no_network(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without network it is one line in the log, no error; denoisers that need no weights are available."""
    models, reasons = await prepared([], "http://127.0.0.1:9/models", cache)
    assert models.state(NAME) == (False, "no weights") and reasons[-1] == "no weights"
    assert models.state("rnnoise") == (True, None) and models.graph("rnnoise") is None
    assert models.state("deepfilternet2") == (False, "no weights")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_not_allowed(upstream: tuple[Upstream, str], cache: Path) -> None:
    """With models.download off nobody is asked."""
    server, url = upstream
    models, reasons = await prepared([], url, cache, download=False)
    assert models.state(NAME) == (False, "no weights") and not server.asked and reasons == ["no weights"]


async def test_closed_while_fetching(upstream: tuple[Upstream, str], cache: Path) -> None:
    """Closing ends the child that is fetching; what it has is kept for the next time."""
    server, url = upstream
    server.held.clear()
    heard = Heard()
    async with ModelStore(WeightSources([], url, True), cache, heard.changed) as models:
        heard.models = models
        await heard.until(lambda reason: reason.endswith("%"))
    server.held.set()
    assert models.state(NAME)[0] is False and (cache / "weights" / ".DeepFilterNet3.zip.part").exists()


async def test_closed_while_exporting(models_folder: Path, tmp_path: Path) -> None:
    """Closing ends the child that is exporting, and leaves no half graph that would be taken for one."""
    heard = Heard()
    async with ModelStore(WeightSources([models_folder], "upstream", True), tmp_path / "cache", heard.changed) as models:
        heard.models = models
        await heard.until(lambda reason: reason == "being prepared")
    assert models.graph(NAME) is None and not list((tmp_path / "cache").glob("*.onnx"))


async def test_spoilt_weights(tmp_path: Path, models_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Weights that cannot be exported give the state "failed: …"."""
    weights = tmp_path / "models" / "DeepFilterNet3"
    shutil.copytree(models_folder / "DeepFilterNet3", weights, copy_function=shutil.copyfile)
    (weights / "config.ini").chmod(0o600)
    (weights / "config.ini").write_text("[df]\nnb_df = 48\n")
    models, _ = await prepared([tmp_path / "models"], "http://127.0.0.1:9", tmp_path / "cache")
    available, reason = models.state(NAME)
    assert not available and reason is not None and reason.startswith("failed: ")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
