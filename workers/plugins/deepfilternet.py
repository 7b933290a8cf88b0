"""DeepFilterNet, streaming: the STFT around an engine that has the model.

An engine takes the spectrum of a frame or two and a state for each voice and returns both: `streaming.graph` is ONNX Runtime on the
CPU, `streaming.eager` torch on CUDA. The STFT is libdf's: a DFT in the graph would cost more than the model's convolutions,
and numpy's ten times as much. Quirks that die here: libdf forgets between calls unless asked not to, and writes into its input.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from workers.denoiser import BLOCK, RATE_HZ, Sound
from workers.errors import OptionError
from workers.extra_python import CUDA, REFERENCE
from workers.streaming.graph import Graph
from workers.weights import FAMILIES

BINS = BLOCK + 1
State = Any  # the engine's own
Carried = tuple[State, int]  # and the hops of look-ahead that are to come
STFT = {"sr": RATE_HZ, "fft_size": 2 * BLOCK, "hop_size": BLOCK, "nb_bands": 32, "min_nb_erb_freqs": 2}


class Engine(Protocol):
    """What runs the model. A state is never changed, only replaced: it may serve several voices."""

    latency: int  # samples
    look_ahead: int  # hops for which a new voice's state is held, and its output silence
    hops: int  # of each voice that `run` takes at once, at most

    def open(self) -> State:
        """The state of a voice that has not heard anything."""

    def run(self, frames: Sound, states: Sequence[State]) -> tuple[Sound, Sequence[State]]:
        """As many hops of each voice: float32[n, hops, 481, 2] and n states -> frames that the caller may write to, and new states."""

    def hold(self, state: State) -> State:
        """The state after hops of the look-ahead: convolutions and GRUs have not begun."""


class Voice:
    """What one voice carries: the model's state, the STFT with half a frame on each side, and how many hops of look-ahead are to come.

    heard: float32[1, 480], the last hop: what the STFT remembers of its input.
    """

    __slots__ = ("ahead", "heard", "state", "stft")

    def __init__(self, state: State, stft: Any, look_ahead: int) -> None:
        self.state = state
        self.stft = stft  # libdf.DF
        self.ahead = look_ahead
        self.heard = np.zeros((1, BLOCK), np.float32)


class DeepFilterNet3:
    """The default, 30 ms. Owns an engine; with ONNX Runtime a fork may use it.

    Source: Schröter et al., DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement, 2023.
    """

    rate_hz: ClassVar[int] = RATE_HZ
    block: ClassVar[int] = BLOCK
    latency_ms: ClassVar[float] = 30.0
    name: ClassVar[str] = "deepfilternet3"
    latency: int
    blocks: int  # two where the engine is a graph: it then reads most weights once for both

    def __init__(self, options: Mapping[str, object]) -> None:
        """options: graph, a file made by `workers.export`; or weights, a folder, device, "cuda" or "cpu", and post_filter, if wanted true.

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
        """With a device it needs torch: CUDA's for a card, any for the CPU."""
        return {None: (), "cpu": (CUDA, REFERENCE)}.get(options.get("device"), (CUDA,))  # type: ignore[call-overload,no-any-return]

    def open(self) -> Voice:
        from libdf import DF

        return Voice(self._engine.open(), DF(**STFT), self._engine.look_ahead)

    def clean(self, voices: Sequence[Voice], noisy: Sound) -> Sound:
        """Denoise a hop or `blocks` of each voice; the output trails the input by `latency` samples.

        noisy: float32[n, hops * 480] in [-1, 1], mono, 48 kHz, row i belongs to voices[i].   Returns the same shape.
        Raises what the engine raises; the voices are then as they were.
        """
        hops = noisy.shape[1] // BLOCK
        noisy = np.ascontiguousarray(noisy, np.float32)  # libdf refuses strides
        frames = [voice.stft.analysis(noisy[row : row + 1], reset=False) for row, voice in enumerate(voices)]
        spectrum = np.concatenate(frames).view(np.float32).reshape(-1, hops, BINS, 2)
        try:
            spectrum, after = self._run(spectrum, [(voice.state, voice.ahead) for voice in voices])
        except Exception:
            for voice in voices:
                voice.stft.analysis(voice.heard, reset=False)  # all that it remembers
            raise
        clean = np.empty_like(noisy)
        bins = spectrum.view(np.complex64).reshape(-1, 1, hops, BINS)
        for row, voice in enumerate(voices):
            voice.state, voice.ahead = after[row]
            voice.heard = noisy[row : row + 1, -BLOCK:].copy()
            clean[row] = voice.stft.synthesis(bins[row], reset=False)
        return clean

    def _run(self, spectrum: Sound, carried: Sequence[Carried]) -> tuple[Sound, Sequence[Carried]]:
        """The engine on hops of all voices, with what each carries in its model; hop by hop where a state is held in between."""
        hops = spectrum.shape[1]
        if any(0 < ahead < hops for _, ahead in carried):
            parts = []
            for hop in np.split(spectrum, hops, axis=1):
                part, carried = self._run(np.ascontiguousarray(hop), carried)
                parts.append(part)
            return np.concatenate(parts, axis=1), carried
        spectrum, states = self._engine.run(spectrum, [state for state, _ in carried])
        after = [(state, 0) for state in states]
        for row, (_, ahead) in enumerate(carried):
            if ahead:  # nothing to be heard yet
                after[row] = self._engine.hold(states[row]), ahead - hops
                spectrum[row] = 0
        return spectrum, after


class DeepFilterNet2(DeepFilterNet3):
    """Its forerunner, 50 ms; the same but for the graph.

    Source: Schröter et al., DeepFilterNet2: Towards Real-Time Speech Enhancement on Embedded Devices, 2022.
    """

    latency_ms: ClassVar[float] = 50.0
    name: ClassVar[str] = "deepfilternet2"


class DeepFilterNet2LowLatency(DeepFilterNet3):
    """DeepFilterNet2 without look-ahead, 10 ms; the same but for the graph."""

    latency_ms: ClassVar[float] = 10.0
    name: ClassVar[str] = "deepfilternet2_ll"


def _engine(name: str, options: Mapping[str, object]) -> Engine:
    device, place = options.get("device"), options.get("graph" if "device" not in options else "weights")
    if device is None:
        if not isinstance(place, str | Path) or not Path(place).is_file():
            raise OptionError(f"the option graph names no file: {place}")
        return Graph(Path(place))
    if device not in ("cpu", "cuda") or not isinstance(place, str | Path):
        raise OptionError(f"device has to be cpu or cuda, with weights a folder: {device}, {place}")
    from workers.streaming.eager import Eager  # torch, a second of start and 200 MB

    return Eager(FAMILIES[name], Path(place), str(device), options.get("post_filter") is True)
