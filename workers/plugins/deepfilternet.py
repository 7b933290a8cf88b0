"""DeepFilterNet by ONNX Runtime: a streaming graph made by `workers.export`, and the STFT around it.

The graph takes one frame's spectrum and a flat state for each voice and returns both; the transform is done here, because
a DFT in the graph would cost more than the model's convolutions. Quirks that die here: ONNX Runtime wants all threads
forbidden before a fork may use a session; without its arena being told otherwise it keeps the largest batch's memory.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from workers.denoiser import BLOCK, RATE_HZ, Sound
from workers.errors import OptionError
from workers.streaming.layout import Part, held, initial

FFT = 2 * BLOCK
BINS = BLOCK + 1


class Voice:
    """What one voice carries: the model's state, half a frame on each side of it, and how many hops of look-ahead are to come."""

    __slots__ = ("ahead", "heard", "overlap", "state")

    def __init__(self, state: Sound, look_ahead: int) -> None:
        self.state = state  # float32[size]
        self.heard = np.zeros(BLOCK, np.float32)  # the last block, first half of the next frame
        self.overlap = np.zeros(BLOCK, np.float32)  # second half of the last clean frame
        self.ahead = look_ahead


class DeepFilterNet3:
    """The default. Owns an ONNX Runtime session without threads; a fork may use it.

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
        hann = np.sin(np.pi * (np.arange(FFT) + 0.5) / FFT)
        self._window = np.sin(np.pi / 2 * hann**2).astype(np.float32)  # Vorbis power-complementary, both ways

    def _describe(self, properties: Mapping[str, str]) -> None:
        try:
            known = {key: json.loads(properties[key]) for key in ("latency", "look_ahead", "parts")}
        except (KeyError, ValueError) as error:
            raise OptionError(f"the graph lacks its description: {error}") from error
        parts = [Part(**{**part, "shape": tuple(part["shape"])}) for part in known["parts"]]
        self.latency, self._look_ahead = int(known["latency"]), int(known["look_ahead"])
        self._initial, self._held = initial(parts), held(parts)

    def open(self) -> Voice:
        return Voice(self._initial.copy(), self._look_ahead)

    def clean(self, voices: Sequence[Voice], noisy: Sound) -> Sound:
        """Denoise one hop of each voice; the output trails the input by `latency` samples.

        noisy: float32[n, 480] in [-1, 1], mono, 48 kHz, row i belongs to voices[i].   Returns the same shape.   Raises nothing.
        """
        state = voices[0].state[None] if len(voices) == 1 else np.stack([voice.state for voice in voices])
        spectrum, after = self._session.run(None, {"spectrum": self._analysed(voices, noisy), "state": state})
        for row, voice in enumerate(voices):
            voice.state = after[row]
            if voice.ahead:
                self._wait(voice, spectrum[row])
        return self._synthesised(voices, spectrum)

    def _wait(self, voice: Voice, spectrum: Sound) -> None:
        """A hop of the look-ahead: nothing to be heard yet, and convolutions and GRUs have not begun."""
        voice.ahead -= 1
        voice.state = np.where(self._held, self._initial, voice.state)
        spectrum[:] = 0

    def _analysed(self, voices: Sequence[Voice], noisy: Sound) -> Sound:
        """float32[n, 2, 481]: real and imaginary parts, as upstream scales them."""
        frames = np.empty((len(voices), 2, BLOCK), np.float32)
        for row, voice in enumerate(voices):
            frames[row, 0] = voice.heard
            voice.heard[:] = noisy[row]
        frames[:, 1] = noisy
        frames = frames.reshape(-1, FFT)
        frames *= self._window
        bins = np.fft.rfft(frames, norm="forward")
        spectrum = np.empty((len(voices), 2, BINS), np.float32)
        spectrum[:, 0], spectrum[:, 1] = bins.real, bins.imag
        return spectrum

    def _synthesised(self, voices: Sequence[Voice], spectrum: Sound) -> Sound:
        bins = np.empty((len(voices), BINS), np.complex128)
        bins.real, bins.imag = spectrum[:, 0], spectrum[:, 1]
        frames = (np.fft.irfft(bins, norm="forward") * self._window).astype(np.float32)
        clean: Sound = frames[:, :BLOCK].copy()
        for row, voice in enumerate(voices):
            clean[row] += voice.overlap
            voice.overlap[:] = frames[row, BLOCK:]
        return clean


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
