"""What the forkserver has loaded: whether it can be forked, and what a fork makes of it."""

import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from tests.support.running import ROOT
from tests.support.strangers import install
from tests.workers.link.test_forkserver import Way
from tests.workers.speech import packets, voice
from workers.link.forkserver import Forkserver

FORKS = 200
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@pytest.mark.parametrize("telemetry", ["1", "0"])
def test_every_fork_hears_the_same(telemetry: str, deepfilternet3_graph: Path, stretch: float) -> None:
    """Two hundred forks each run the model: all give the parent's bytes, with or without ONNX Runtime's own thread, and leave nothing."""
    environment = {**os.environ, **ONE_THREAD, "ORT_DISABLE_TELEMETRY": telemetry}
    command = [sys.executable, "-m", "tests.workers.forks", deepfilternet3_graph, str(FORKS)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100 * stretch)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["same"], found["statuses"], found["parent_same"]) == (FORKS, [0], True)
    for before, after in (found["fds"], found["threads"]):
        assert after == before
    assert found["kb"][1] < found["kb"][0] + 2_000


@pytest.mark.parametrize("threaded", ["native", "runtime"])
async def test_a_native_thread_is_not_forked(
    threaded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a plugin that starts a thread behind Python's back workers are executed anew, also those of others; one line says why."""
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    sent = packets(voice(0.3))
    async with Forkserver() as forkserver, AsyncExitStack() as stack:
        before = await stack.enter_async_context(Way(forkserver, "passthrough"))
        ways = [await stack.enter_async_context(Way(forkserver, denoiser)) for denoiser in (threaded, "passthrough", threaded)]
        for way in (before, *ways):
            await way.worker.ready(20 * stretch)
            for packet in sent:
                way.put(packet)
            await way.whole(sent, 30 * stretch)
        kinds = [psutil.Process(way.worker.pid).cmdline()[3] for way in (before, *ways)]
    assert kinds == ["workers.forkserver.main", *["workers.forkserver.standalone"] * 3]
    [line] = [line for line in capfd.readouterr().err.splitlines() if "not forked" in line]
    assert f"{threaded} has started a native thread" in line


async def test_what_was_loaded_goes_with_new_options(deepfilternet3_graph: Path) -> None:
    """A model that is loaded again and again with other options takes the memory of one."""
    kb = []
    async with Forkserver() as forkserver:
        for number in range(12):
            await forkserver.load("deepfilternet3", {"graph": str(deepfilternet3_graph), "unlike": number})
            kb.append(psutil.Process(forkserver.pid).memory_info().rss // 1024)
    assert max(kb) < kb[1] + 30_000, kb  # ten more of them would be three times that


def resident_kb(pid: int, library: str) -> int:
    """What a process has in memory of a file that it has mapped."""
    found, counts = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            counts = library in line
        elif counts and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_weights_of_a_library_are_not_touched_beforehand(stretch: float) -> None:
    """The forkserver has RNNoise mapped but for its 12 MB of weights; the worker that uses it has them, and cleans."""
    sent = packets(voice(0.3))
    async with Forkserver() as forkserver:
        await forkserver.load("rnnoise", {})
        assert "librnnoise" in Path(f"/proc/{forkserver.pid}/maps").read_text() and resident_kb(forkserver.pid, "librnnoise") < 2000
        async with Way(forkserver, "rnnoise") as way:
            await way.worker.ready(20 * stretch)
            assert resident_kb(way.worker.pid, "librnnoise") > 8000
            for packet in sent:
                way.put(packet)
            await way.whole(sent, 30 * stretch)
