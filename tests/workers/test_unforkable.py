"""A denoiser that no process may load and then fork: torch, as on CUDA, but on the CPU."""

import asyncio
from pathlib import Path

import psutil

from tests.workers.speech import packets, voice
from tests.workers.test_nursery import Way, dead
from workers.nursery import Nursery


async def test_one_process_for_all(models_folder: Path, stretch: float) -> None:
    """It is never in the nursery; one process that has it serves all whatever the share, and ends with the last, no sooner."""
    options = {"weights": str(models_folder / "DeepFilterNet3"), "device": "cpu"}
    both = packets(voice(0.6))
    sent, later = both[:12], both[12:]
    async with Nursery(share=1) as nursery:
        await nursery.load("deepfilternet3", options)
        before = psutil.Process(nursery.pid).memory_info().rss
        async with Way(nursery, "deepfilternet3", options) as first, Way(nursery, "deepfilternet3", options) as second:
            for way in (first, second):
                ready = await way.worker.ready(30 * stretch)
                assert ready.latency == 1440 and ready.pid == way.worker.pid != nursery.pid
            assert first.worker.pid == second.worker.pid
            for packet in sent:
                first.put(packet)
                second.put(packet)
                await asyncio.sleep(0.01)
            for way in (first, second):
                await way.whole(sent, 20 * stretch)
            async with Way(nursery, "rnnoise") as forked:
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
        assert psutil.Process(nursery.pid).memory_info().rss < before + 100_000_000  # no torch
