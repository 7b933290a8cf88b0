"""One build's side of `bench workers --against`: run as a file inside a checkout, whose modules it measures. Hence nothing of ours but
what builds before this one have too is imported.

`python -P paired.py --sound NPY --packets HEX [--models FOLDER]`, in the checkout and with it as PYTHONPATH, on its Python. JSON lines:
{"do": "hops", "voices", "seconds"} → {"us": processor time of a voice's hop, the median of all calls}
{"do": "window", "voices", "share", "seconds", "limit_ms"} → {"expected", "ms", "late_ms", "cpu_pct"}, of real workers
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import crowd, meters
from workers import registry
from workers.denoiser import BLOCK, blocks_at_once

try:
    from workers.files.selection import DenoiserSettings, options
except ImportError:  # builds of before the rooms
    from workers.files.choice import Settings as DenoiserSettings
    from workers.files.choice import options

# Builds of before the rooms call it a nursery.
open_forkserver = getattr(crowd, "forkserver", None) or crowd.nursery  # type: ignore[attr-defined,unused-ignore]
NAME = "deepfilternet3"
WARM = 20


class Side:
    """Owns the model that `hops` runs; workers live as long as their window."""

    def __init__(self, noisy: np.ndarray, packets: Path, models: Path | None) -> None:
        self._noisy, self._packets, self._cores = noisy, packets, meters.Cores()
        self._options = options(NAME, _settings(models), _say)
        self._denoiser = registry.load(NAME)(self._options)

    def hops(self, voices: int, seconds: float) -> dict[str, Any]:
        size = blocks_at_once(self._denoiser) * BLOCK
        chunks = self._noisy[: len(self._noisy) // size * size].reshape(-1, size)
        states = [self._denoiser.open() for _ in range(voices)]
        took = []
        with meters.pinned(self._cores.server):
            end = time.monotonic() + seconds
            while time.monotonic() < end or len(took) <= 2 * WARM:
                sound = chunks[(len(took) + 7 * np.arange(voices)) % len(chunks)]
                begin = time.thread_time_ns()
                self._denoiser.clean(states, sound)
                took.append(time.thread_time_ns() - begin)
        return {"us": statistics.median(took[WARM:]) / 1e3 / voices / (size // BLOCK)}

    async def window(self, voices: int, share: int, seconds: float, limit_ms: float | None) -> dict[str, Any]:
        work = crowd.Denoising(NAME, self._options, self._packets, share=share)
        async with open_forkserver(self._cores, work) as made, crowd.crowd(made, self._cores, work, voices) as each:
            found = await each.window(seconds, limit_ms)
        return {"expected": found.expected, "ms": found.ms.tolist(), "late_ms": found.late_ms, "cpu_pct": found.cpu_pct}


def _settings(models: Path | None) -> DenoiserSettings:
    """The folder's weights, or this checkout's own; graphs in its own cache."""
    cache = Path.cwd() / "var" / "cache"
    if models is not None:
        return DenoiserSettings(paths=(models,), cache=cache)
    from sfu.config.load import load

    config = load(Path.cwd() / "config.toml", {})
    return DenoiserSettings(paths=config.models.path, url=config.models.url, download=config.models.download, cache=cache)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sound", type=Path, required=True)
    parser.add_argument("--packets", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    asked = parser.parse_args()
    try:
        side = Side(np.load(asked.sound), asked.packets, asked.models)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent is told in a line
        print(json.dumps({"failed": " ".join(str(error).split()) or type(error).__name__}), flush=True)
        return 1
    print(json.dumps({"python": sys.version.split()[0], "numpy": np.__version__, "pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if question.pop("do") == "hops":
            answer = side.hops(**question)
        else:
            try:
                answer = asyncio.run(side.window(**question))
            except Exception as error:  # noqa: BLE001 - so many voices do not even start
                answer = {"failed": " ".join(str(error).split()) or type(error).__name__}
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
