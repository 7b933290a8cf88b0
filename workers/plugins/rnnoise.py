"""RNNoise: a small recurrent network in a C library. It needs no download, so it is the fallback.

The library is in the wheel of `pyrnnoise`, whose Python modules are not imported: they import plotting and decoding libraries, and
round samples to 16 bits.
Source: Valin, A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement, 2018.
"""

import ctypes
import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from workers.denoiser import BLOCK, RATE_HZ, Sound
from workers.errors import OptionError

_SCALE = np.float32(32_768)  # its floats have the range of 16-bit integers


class RNNoise:
    """Shares the C library; each voice owns a DenoiseState."""

    rate_hz: ClassVar[int] = RATE_HZ
    block: ClassVar[int] = BLOCK
    latency_ms: ClassVar[float] = 20.0
    latency = 960
    mapped: ClassVar[bool] = True  # its 12 MB of weights are part of the library

    def __init__(self, options: Mapping[str, object]) -> None:
        """Takes no options. Raises OptionError where the library is missing."""
        self._lib = _library()

    def open(self) -> "_State":
        return _State(self._lib)

    def clean(self, voices: "Sequence[_State]", noisy: Sound) -> Sound:
        """float32[n, 480] in [-1, 1] -> the same shape, 960 samples later."""
        clean = noisy * _SCALE
        at, stride = clean.ctypes.data, clean.strides[0]
        for row, voice in enumerate(voices):
            self._lib.rnnoise_process_frame(voice.pointer, at + row * stride, at + row * stride)
        clean /= _SCALE
        return clean


class _State:
    """One DenoiseState of the library, destroyed with the object."""

    pointer: int | None = None  # until it is created: a signal may interrupt that

    def __init__(self, lib: ctypes.CDLL) -> None:
        self._destroy = lib.rnnoise_destroy
        self.pointer = lib.rnnoise_create(None)
        if not self.pointer:
            raise MemoryError("rnnoise_create")

    def __del__(self) -> None:
        if self.pointer:
            self._destroy(self.pointer)


@cache
def _library() -> ctypes.CDLL:
    package = importlib.util.find_spec("pyrnnoise")
    places = package.submodule_search_locations if package else None
    found = [file for place in places or [] for file in sorted(Path(place).glob("*rnnoise.*")) if file.suffix in (".so", ".dylib")]
    if not found:
        raise OptionError("RNNoise is missing: pip install pyrnnoise")
    try:
        lib = ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise OptionError(f"RNNoise does not load: {error}") from error
    state, address = ctypes.c_void_p, ctypes.c_void_p
    lib.rnnoise_create.argtypes, lib.rnnoise_create.restype = [ctypes.c_void_p], state
    lib.rnnoise_destroy.argtypes, lib.rnnoise_destroy.restype = [state], None
    lib.rnnoise_process_frame.argtypes, lib.rnnoise_process_frame.restype = [state, address, address], ctypes.c_float
    lib.rnnoise_get_frame_size.restype = ctypes.c_int
    if lib.rnnoise_get_frame_size() != BLOCK:
        raise OptionError("this RNNoise wants another block than 480 samples")
    return lib
