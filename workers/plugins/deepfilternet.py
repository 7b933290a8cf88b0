"""DeepFilterNet by ONNX Runtime: a streaming graph made by `workers.export`, and the STFT around it.

The graph takes one frame's spectrum and a flat state for each voice and returns both. The STFT is libdf's: a DFT in the
graph would cost more than the model's convolutions, and numpy's ten times as much. Quirks that die here: ONNX Runtime wants
threads forbidden before a fork may use a session; libdf forgets between calls unless asked not to, and writes into its input.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from workers.denoiser import BLOCK, RATE_HZ, Sound
from workers.errors import OptionError
from workers.streaming.layout import Part, held, initial

BINS = BLOCK + 1
Frame = npt.NDArray[np.complex64]
STFT = {"sr": RATE_HZ, "fft_size": 2 * BLOCK, "hop_size": BLOCK, "nb_bands": 32, "min_nb_erb_freqs": 2}


class Voice:
    """What one voice carries: the model's state, the STFT with half a frame on each side, and how many hops of look-ahead are to come."""

    __slots__ = ("ahead", "state", "stft")

    def __init__(self, state: Sound, stft: Any, look_ahead: int) -> None:
        self.state = state  # float32[size]
        self.stft = stft  # libdf.DF
        self.ahead = look_ahead


class DeepFilterNet3:
    """The default, 30 ms. Owns an ONNX Runtime session without threads; a fork may use it.

    Source: Schröter et al., DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement, 2023.
    """

    rate_hz: ClassVar[int] = RATE_HZ
    block: ClassVar[int] = BLOCK
    latency_ms: ClassVar[float] = 30.0
    latency: int

    def __init__(self, options: Mapping[str, object]) -> None:
        """options: graph, the path of a file made by `workers.export`. Raises OptionError."""
        graph = options.get("graph")
        if not isinstance(graph, str | Path) or not Path(graph).is_file():
            raise OptionError(f"the option graph names no file: {graph}")
        self._session = open_session(Path(graph))
        self._describe(self._session.get_modelmeta().custom_metadata_map)

    def _describe(self, properties: Mapping[str, str]) -> None:
        try:
            known = {key: json.loads(properties[key]) for key in ("latency", "look_ahead", "parts")}
        except (KeyError, ValueError) as error:
            raise OptionError(f"the graph lacks its description: {error}") from error
        parts = [Part(**{**part, "shape": tuple(part["shape"])}) for part in known["parts"]]
        self.latency, self._look_ahead = int(known["latency"]), int(known["look_ahead"])
        self._initial, self._held = initial(parts), held(parts)
        if self.latency != round(self.latency_ms * RATE_HZ / 1000):
            raise OptionError(f"the graph is another denoiser's: its latency is {self.latency} samples")

    def open(self) -> Voice:
        from libdf import DF

        return Voice(self._initial, DF(**STFT), self._look_ahead)

    def clean(self, voices: Sequence[Voice], noisy: Sound) -> Sound:
        """Denoise one hop of each voice; the output trails the input by `latency` samples.

        noisy: float32[n, 480] in [-1, 1], mono, 48 kHz, row i belongs to voices[i].   Returns the same shape.   Raises nothing.
        """
        noisy = np.ascontiguousarray(noisy, np.float32)  # libdf refuses strides
        state = np.stack([voice.state for voice in voices])
        frames = [voice.stft.analysis(noisy[row : row + 1], reset=False) for row, voice in enumerate(voices)]
        spectrum = np.concatenate(frames)[:, 0].view(np.float32).reshape(-1, BINS, 2)
        spectrum, after = self._session.run(None, {"spectrum": spectrum, "state": state})
        clean = np.empty_like(noisy)
        bins = spectrum.view(np.complex64).reshape(-1, 1, 1, BINS)
        for row, voice in enumerate(voices):
            voice.state = after[row]
            if voice.ahead:
                self._wait(voice, bins[row])
            clean[row] = voice.stft.synthesis(bins[row], reset=False)
        return clean

    def _wait(self, voice: Voice, frame: Frame) -> None:
        """A hop of the look-ahead: nothing to be heard yet, and convolutions and GRUs have not begun."""
        voice.ahead -= 1
        voice.state = np.where(self._held, self._initial, voice.state)
        frame[:] = 0


class DeepFilterNet2(DeepFilterNet3):
    """Its forerunner, 50 ms; the same but for the graph.

    Source: Schröter et al., DeepFilterNet2: Towards Real-Time Speech Enhancement on Embedded Devices, 2022.
    """

    latency_ms: ClassVar[float] = 50.0


class DeepFilterNet2LowLatency(DeepFilterNet3):
    """DeepFilterNet2 without look-ahead, 10 ms; the same but for the graph."""

    latency_ms: ClassVar[float] = 10.0


def open_session(graph: Path) -> Any:
    """An ONNX Runtime session that runs in the caller's thread alone. Raises OptionError."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else it writes to the user's cache, starts a thread and phones home
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # digital silence would be slow otherwise
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise OptionError(f"the graph {graph.name} cannot be loaded: {error}") from error
