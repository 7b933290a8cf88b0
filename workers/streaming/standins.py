"""Empty modules where upstream imports packages that are not called here, or whose library there is not for every Python.

`df.io` wants torchaudio, which a CPU-only torch has not, to load and save files. Many modules import `libdf`, which is built up to
Python 3.11 only: offline `enhance()` needs it; to load a net takes nothing of it but the widths of the ERB bands.
"""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from workers.extra_python import REFERENCE, MissingExtra

EAR_Q, LEAST_HZ = 9.265, 24.7  # of Glasberg and Moore's equivalent rectangular bandwidth: LEAST_HZ + frequency / EAR_Q


def stand_in() -> None:
    """Put them where the real ones are missing. Idempotent; before `df` is imported."""
    if "torchaudio" not in sys.modules:
        _stand_in_for_torchaudio()
    if "libdf" not in sys.modules and find_spec("libdf") is None:
        _stand_in_for_libdf()


def erb_widths(rate_hz: int, fft_size: int, bands: int, least: int) -> npt.NDArray[np.uint64]:
    """Bins of each band, evenly spaced on the ERB scale, `least` at least; together fft_size / 2 + 1.  uint64[bands], as libdf has it.

    In float32, for a bin is rounded by it. A band that had to be widened takes its bins from the next ones.
    Source: Glasberg and Moore, Derivation of auditory filter shapes from notched-noise data, 1990.
    """
    scale = np.float32(EAR_Q * LEAST_HZ)
    highest = np.float32(EAR_Q) * np.log1p(np.float32(rate_hz // 2) / scale)
    steps = np.arange(bands + 1, dtype=np.float32) * (highest / np.float32(bands))
    edges = np.round(scale * np.expm1(steps / np.float32(EAR_Q)) / np.float32(rate_hz / fft_size)).astype(int)
    widths, owed = [], 0
    for width in np.diff(edges):
        widths.append(max(int(width) - owed, least))
        owed = widths[-1] - (int(width) - owed)
    widths[-1] += fft_size // 2 + 1 - sum(widths)  # the bin at half the rate comes on top, and what is owed is taken off
    return np.array(widths, np.uint64)


def _no_libdf(*_: object, **__: object) -> NoReturn:
    raise MissingExtra("upstream's offline enhance()", REFERENCE)


class DF:
    """As far as a net asks for it while it is built. Who wants its STFT needs the real one. Raises MissingExtra."""

    analysis = synthesis = staticmethod(_no_libdf)

    def __init__(self, sr: int, fft_size: int, hop_size: int, nb_bands: int, min_nb_erb_freqs: int = 1) -> None:
        self._widths = erb_widths(sr, fft_size, nb_bands, min_nb_erb_freqs)

    def erb_widths(self) -> npt.NDArray[np.uint64]:
        return self._widths


def _stand_in_for_libdf() -> None:
    libdf = ModuleType("libdf")
    libdf.DF = DF  # type: ignore[attr-defined]
    for name in ("erb", "erb_inv", "erb_norm", "unit_norm", "unit_norm_init"):
        setattr(libdf, name, _no_libdf)
    sys.modules["libdf"] = libdf


def _stand_in_for_torchaudio() -> None:
    def absent(*_: object, **__: object) -> None:
        raise RuntimeError("torchaudio is not installed")

    torchaudio, functional = ModuleType("torchaudio"), ModuleType("torchaudio.functional")
    backend, common = ModuleType("torchaudio.backend"), ModuleType("torchaudio.backend.common")
    functional.resample = absent  # type: ignore[attr-defined]
    common.AudioMetaData = type("AudioMetaData", (), {})  # type: ignore[attr-defined]
    torchaudio.load = torchaudio.save = torchaudio.info = absent  # type: ignore[attr-defined]
    sys.modules.update(
        {"torchaudio": torchaudio, "torchaudio.functional": functional, "torchaudio.backend": backend, "torchaudio.backend.common": common}
    )
