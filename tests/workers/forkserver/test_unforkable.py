"""A denoiser that no process may load and then fork, nor the server's Python has: torch, as on CUDA, but on the CPU."""

import asyncio
from pathlib import Path

import psutil
import pytest

from tests.workers.extras import cuda_environment
from tests.workers.link.test_forkserver import Way, dead
from tests.workers.speech import packets, voice
from workers.errors import WorkerFailed
from workers.link.forkserver import Forkserver


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Python of an environment that has torch, and neither PyAV with its libopus nor ONNX Runtime."""
    folder = cuda_environment(tmp_path / "torch")
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(folder))
    return folder / "bin" / "python"


async def test_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_folder: Path) -> None:
    """Where there is no such Python who asks is told the command, and the forkserver lives on."""
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path))
    async with Forkserver() as forkserver:
        with pytest.raises(WorkerFailed, match=r"deepfilternet3 needs the packages of CUDA: python3 run\.py install cuda") as caught:
            await Way(forkserver, "deepfilternet3", {"weights": str(models_folder), "device": "cuda"}).__aenter__()
        assert caught.value.reason == "missing_extra"
        await forkserver.load("passthrough", {})


async def test_one_process_for_all(models_folder: Path, torch: Path, stretch: float) -> None:
    """It is never in the forkserver; one process that has it serves all whatever the share, and ends with the last, no sooner."""
    options = {"weights": str(models_folder / "DeepFilterNet3"), "device": "cpu"}
    both = packets(voice(0.6))
    sent, later = both[:12], both[12:]
    async with Forkserver(share=1) as forkserver:
        await forkserver.load("deepfilternet3", options)
        before = psutil.Process(forkserver.pid).memory_info().rss
        async with Way(forkserver, "deepfilternet3", options) as first, Way(forkserver, "deepfilternet3", options) as second:
            for way in (first, second):
                ready = await way.worker.ready(30 * stretch)
                assert ready.latency == 1440 and ready.pid == way.worker.pid != forkserver.pid
            assert first.worker.pid == second.worker.pid
            assert psutil.Process(first.worker.pid).cmdline()[0] == str(torch)
            for packet in sent:
                first.put(packet)
                second.put(packet)
                await asyncio.sleep(0.01)
            for way in (first, second):
                await way.whole(sent, 20 * stretch)
            async with Way(forkserver, "rnnoise") as forked:
                await forked.worker.ready(30 * stretch)
                assert forked.worker.pid != first.worker.pid
            pid = first.worker.pid
            await first.worker.close()
            assert psutil.pid_exists(pid) and not second.ended.is_set()
            for packet in later:
                second.put(packet)
                await asyncio.sleep(0.01)
            await second.whole(both, 20 * stretch)
            assert not second.ended.is_set()
        assert not await dead([pid], 20 * stretch)
        assert psutil.Process(forkserver.pid).memory_info().rss < before + 100_000_000  # no torch
