"""One way to denoise, in a process of its own, measured hop by hop. `python -m tests.bench.engines NAME --sound … --models …`

NAME is a denoiser, or what is compared with it: "torch eager NAME" (the streaming net that graphs are held against),
"offline 20 ms NAME", "offline 1 s NAME" (whole calls of upstream's `enhance()`, one chunk after the other), "offline 2 s + 0.5 s
NAME" (overlapping chunks, cross-faded), or a peer of `tests.bench.peers`. Questions and answers are JSON lines:

{"do": "tight" | "paced", "seconds", "voices"} → {"ms": [a hop of one voice, …], "cpu_ms": [the same in processor time, …]}
{"do": "whole", "out": FILE} → {}, the denoised sound in that file
Sounds are .npy files, float32. What torch needs runs in another environment, so nothing here asks for more.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tests.bench import peers
from workers import registry
from workers.denoiser import BLOCK, RATE_HZ, Denoiser, Sound, blocks_at_once
from workers.files.cleaner import Cleaner
from workers.hugepages import collapse

EAGER, SHORT, LONG, FADED = "torch eager ", "offline 20 ms ", "offline 1 s ", "offline 2 s + 0.5 s "
KINDS = (EAGER, SHORT, LONG, FADED)  # of what needs torch, and weights as a checkpoint
HOP_S = BLOCK / RATE_HZ
WARM_HOPS = 20


class Engine(Protocol):
    """`hops` blocks of each voice go into one call; the output trails the input by `latency` samples."""

    hops: int
    latency: int

    def caller(self, voices: int) -> Callable[[Sound], Any]: ...  # of float32[voices, hops * 480], with voices that are new
    def whole(self, noisy: Sound) -> Sound: ...  # float32[n] -> float32[n], aligned


class Streaming:
    """A denoiser, called as workers do: with as many hops as it takes at once.

    hops: so many are timed as one, in several calls, where their times are unlike on purpose.
    """

    def __init__(self, denoiser: Denoiser, hops: int | None = None) -> None:
        blocks = blocks_at_once(denoiser)
        self._denoiser, self._step, self.hops, self.latency = denoiser, blocks * BLOCK, hops or blocks, denoiser.latency

    def caller(self, voices: int) -> Callable[[Sound], Any]:
        states = [self._denoiser.open() for _ in range(voices)]

        def call(noisy: Sound) -> None:
            for at in range(0, noisy.shape[1], self._step):
                self._denoiser.clean(states, noisy[:, at : at + self._step])

        return call

    def whole(self, noisy: Sound) -> Sound:
        cleaning = Cleaner(self._denoiser, 1)
        return np.concatenate((cleaning.write(noisy[None]), cleaning.rest()), axis=1)[0]


class Offline:
    """Upstream's `enhance()` on one chunk after the other, each by itself."""

    def __init__(self, weights: Path, chunk: int) -> None:
        from workers.deepfilternet.upstream import load

        self._model, self._chunk = load(weights), chunk
        self.hops, self.latency = chunk // BLOCK, chunk - BLOCK

    def caller(self, voices: int) -> Callable[[Sound], Any]:
        assert voices == 1, "one voice a call"
        return lambda noisy: self._enhanced(noisy[0])

    def _enhanced(self, noisy: Sound) -> Sound:
        padded = np.concatenate((noisy, np.zeros(2 * BLOCK, np.float32)))  # as upstream's `pad=True`
        return self._model.enhance(padded)[BLOCK:][: len(noisy)]

    def whole(self, noisy: Sound) -> Sound:
        padded = np.concatenate((noisy, np.zeros(-len(noisy) % self._chunk, np.float32)))
        return np.concatenate([self._enhanced(chunk) for chunk in padded.reshape(-1, self._chunk)])[: len(noisy)]


def made(contender: str, models: Path) -> Engine:
    """The engine of a name. Raises WorkerFailed."""
    if contender in peers.PEERS:
        return peers.engine(contender)
    kind = next((kind for kind in KINDS if contender.startswith(kind)), "")
    name = contender.removeprefix(kind)
    if kind:
        return _by_torch(kind, name, models)
    from tests.bench import places
    from workers.files.selection import options

    denoiser = registry.load(name)(options(name, places.settings(models), _say))
    collapse()  # as the forkserver does
    return Streaming(denoiser)


def _by_torch(kind: str, name: str, weights: Path) -> Engine:
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if kind == EAGER:
        return Streaming(registry.load(name)({"weights": str(weights), "device": "cpu"}))
    if kind == FADED:
        from workers.plugins.chunked import Chunked

        return Streaming(Chunked({"weights": str(weights), "chunk_s": 2.0, "overlap_s": 0.5}), hops=150)
    return Offline(weights, {SHORT: 960, LONG: 48_000}[kind])


def timed(engine: Engine, noisy: Sound, voices: int, seconds: float, paced: bool) -> tuple[list[float], list[float]]:
    """Milliseconds a hop and voice of each call, back to back, or each woken when its sound would be there.

    By the clock, and in processor time of all threads.
    """
    size, call = engine.hops * BLOCK, engine.caller(voices)
    chunks = noisy[: len(noisy) // size * size].reshape(-1, size)
    for at in range(-(-WARM_HOPS // engine.hops)):
        call(np.repeat(chunks[at % len(chunks)][None], voices, axis=0))
    found, busy, at, share = list[float](), list[float](), 0, 1e6 * engine.hops * voices
    begin = due = time.monotonic()
    while time.monotonic() - begin < seconds:
        sound = chunks[(at + 7 * np.arange(voices)) % len(chunks)]  # no two voices alike
        if paced:
            due += engine.hops * HOP_S
            time.sleep(max(0.0, due - time.monotonic()))
        begun, start = time.process_time_ns(), time.perf_counter_ns()
        call(sound)
        found.append((time.perf_counter_ns() - start) / share)
        busy.append((time.process_time_ns() - begun) / share)
        at += 1
    return found, busy


def quality(heard: Sound, noisy: Sound, clean: Sound) -> dict[str, float]:
    """How much better than noisy, by three measures. PESQ is of the band up to 8 kHz."""
    from pesq import pesq
    from pystoi import stoi
    from scipy.signal import resample_poly

    from tests.support.sound import si_sdr

    low, low_clean = (resample_poly(sound, 1, 3) for sound in (heard, clean))
    return {
        "si_sdr_gain_db": si_sdr(clean, heard) - si_sdr(clean, noisy),
        "pesq": float(pesq(16_000, low_clean, low, "wb")),
        "stoi": float(stoi(clean, heard, RATE_HZ)),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--sound", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True, help="a folder with weights; of what needs torch, the checkpoint's own")
    asked = parser.parse_args()
    noisy = np.load(asked.sound)
    engine = made(asked.name, asked.models)
    print(json.dumps({"latency": engine.latency}), flush=True)
    for line in sys.stdin:
        question, answer = json.loads(line), dict[str, Any]()
        if question["do"] == "whole":
            np.save(question["out"], engine.whole(noisy))
        else:
            both = timed(engine, noisy, question["voices"], question["seconds"], question["do"] == "paced")
            answer = {name: [round(ms, 5) for ms in found] for name, found in zip(("ms", "cpu_ms"), both, strict=True)}
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
