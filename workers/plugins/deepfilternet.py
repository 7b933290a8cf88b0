"""DeepFilterNet, streaming: the STFT around an engine that has the model.

An engine takes one or two frames and a state for each voice, and returns both: `onnx_engine` is ONNX Runtime on the CPU,
`torch_engine` torch on CUDA. The states of all voices of a batch lie in common arrays. While the same voices are denoised
together, these arrays are passed on as they are; rows are collected into new arrays only where the voices change.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from workers.deepfilternet.onnx_engine import OnnxEngine
from workers.deepfilternet.stft import analysis, synthesis
from workers.denoiser import BLOCK, RATE_HZ, Sound
from workers.errors import OptionError
from workers.extra_python import CUDA, REFERENCE, MissingExtra
from workers.weights.weights import FAMILIES

States = Any  # the engine's own: a row for each voice


class Engine(Protocol):
    """What runs the model. It never changes the states that it is given."""

    latency: int  # samples
    look_ahead: int  # hops of a new voice for which `hold` is called, and the output is silence
    hops: int  # the most hops of each voice in one `run`

    def open(self) -> States:
        """Return the state of a new voice."""

    def gather(self, rows: Sequence[tuple[States, int]]) -> States:
        """Collect the states of several voices, each given as (states, row), into new states with a row for each."""

    def run(self, frames: Sound, states: States) -> tuple[Sound, States]:
        """Process up to `hops` hops of each voice: float32[n, 2, T, 481] and n states -> the same, which the caller may change."""

    def hold(self, states: States, row: int) -> None:
        """Reset all but the warm parts of the state in this row, as during the look-ahead."""


class Batch(NamedTuple):
    """What is carried from hop to hop for voices that were denoised together, a row for each. Replaced, never changed."""

    states: States
    heard: Sound  # float32[n, 480], the last hop of input: the first half of the next frame
    tail: Sound  # float32[n, 480], the second half of the last frame of output


class NetVoice:
    """One voice: its row of a batch, and how many hops of its look-ahead are left."""

    __slots__ = ("ahead", "batch", "row")

    def __init__(self, batch: Batch, look_ahead: int) -> None:
        self.batch, self.row, self.ahead = batch, 0, look_ahead


class DeepFilterNet3:
    """The default, 30 ms. Owns an engine; with ONNX Runtime a fork may use it.

    Source: Schröter et al., DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement, 2023.
    """

    rate_hz: ClassVar[int] = RATE_HZ
    block: ClassVar[int] = BLOCK
    latency_ms: ClassVar[float] = 30.0
    name: ClassVar[str] = "deepfilternet3"
    latency: int
    blocks: int  # two with a graph, which reads most weights once for both

    def __init__(self, options: Mapping[str, object]) -> None:
        """options: graph (a file made by `models.export`); or weights (a folder), device ("cuda" or "cpu") and post_filter (a bool).

        Raises OptionError.
        """
        self._engine = _engine(self.name, options)
        self.latency, self.blocks = self._engine.latency, self._engine.hops
        if self.latency != round(self.latency_ms * RATE_HZ / 1000):
            raise OptionError(f"the model is another denoiser's: its latency is {self.latency} samples")

    @classmethod
    def forkable(cls, options: Mapping[str, object]) -> bool:
        """Whether a process that has loaded it with these options may be forked: CUDA and torch's threads may not."""
        return "device" not in options

    @classmethod
    def extra(cls, options: Mapping[str, object]) -> tuple[str, ...]:
        """The parts of `.venv-torch` that it can run with: with a device it needs torch, for "cuda" that of CUDA."""
        return {None: (), "cpu": (CUDA, REFERENCE)}.get(options.get("device"), (CUDA,))  # type: ignore[call-overload,no-any-return]

    def open(self) -> NetVoice:
        silence = np.zeros((1, BLOCK), np.float32)
        return NetVoice(Batch(self._engine.open(), silence, silence), self._engine.look_ahead)

    def clean(self, voices: Sequence[NetVoice], noisy: Sound) -> Sound:
        """Denoise up to `blocks` hops of each voice; the output trails the input by `latency` samples.

        noisy: float32[n, hops * 480] in [-1, 1], mono, 48 kHz, row i belongs to voices[i]. Returns the same shape.
        Raises what the engine raises; the voices are then unchanged.
        """
        noisy = np.ascontiguousarray(noisy, np.float32)
        batch = self._together(voices)
        frames, states, ahead = self._run(analysis(batch.heard, noisy), batch.states, [voice.ahead for voice in voices])
        clean, tail = synthesis(batch.tail, frames)
        after = Batch(states, noisy[:, -BLOCK:].copy(), tail)
        for row, voice in enumerate(voices):
            voice.batch, voice.row, voice.ahead = after, row, ahead[row]
        return clean

    def _together(self, voices: Sequence[NetVoice]) -> Batch:
        """The batch of these voices: the one of the last call if it had the same voices, or a new one."""
        batch = voices[0].batch
        if len(batch.heard) == len(voices) and all(voice.batch is batch and voice.row == row for row, voice in enumerate(voices)):
            return batch
        states = self._engine.gather([(voice.batch.states, voice.row) for voice in voices])
        return Batch(states, *(np.stack([voice.batch[part][voice.row] for voice in voices]) for part in (1, 2)))

    def _run(self, frames: Sound, states: States, ahead: Sequence[int]) -> tuple[Sound, States, Sequence[int]]:
        """Run the engine on the hops of all voices, hop by hop where a look-ahead ends in between. ahead: what is left of each one's."""
        hops = frames.shape[2]
        if any(0 < each < hops for each in ahead):
            parts = []
            for hop in np.split(frames, hops, axis=2):
                part, states, ahead = self._run(np.ascontiguousarray(hop), states, ahead)
                parts.append(part)
            return np.concatenate(parts, axis=2), states, ahead
        frames, states = self._engine.run(frames, states)
        for row, each in enumerate(ahead):
            if each:  # no output yet
                self._engine.hold(states, row)
                frames[row] = 0
        return frames, states, [max(each - hops, 0) for each in ahead]


class DeepFilterNet2(DeepFilterNet3):
    """The predecessor of DeepFilterNet3, 50 ms; only the graph differs.

    Source: Schröter et al., DeepFilterNet2: Towards Real-Time Speech Enhancement on Embedded Devices, 2022.
    """

    latency_ms: ClassVar[float] = 50.0
    name: ClassVar[str] = "deepfilternet2"


class DeepFilterNet2LowLatency(DeepFilterNet3):
    """DeepFilterNet2 without look-ahead, 10 ms; only the graph differs."""

    latency_ms: ClassVar[float] = 10.0
    name: ClassVar[str] = "deepfilternet2_ll"


class DeepFilterNet3LowLatency(DeepFilterNet3):
    """DeepFilterNet3 without look-ahead, 10 ms: a network of twice the width makes up for the missing look-ahead."""

    latency_ms: ClassVar[float] = 10.0
    name: ClassVar[str] = "deepfilternet3_ll"


def _engine(name: str, options: Mapping[str, object]) -> Engine:
    device, place = options.get("device"), options.get("graph" if "device" not in options else "weights")
    if device is None:
        if not isinstance(place, str | Path) or not Path(place).is_file():
            raise OptionError(f"the option graph names no file: {place}")
        return OnnxEngine(Path(place))
    if device not in ("cpu", "cuda") or not isinstance(place, str | Path):
        raise OptionError(f"device has to be cpu or cuda, with weights a folder: {device}, {place}")
    try:
        from workers.deepfilternet.torch_engine import TorchEngine  # torch, a second of start and 200 MB
    except ImportError as error:
        raise MissingExtra(name, CUDA) from error
    return TorchEngine(FAMILIES[name], Path(place), str(device), options.get("post_filter") is True)
