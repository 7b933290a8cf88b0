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
from workers.graphs.banks import widths


def stand_in() -> None:
    """Put them where the real ones are missing. Idempotent; before `df` is imported."""
    if "torchaudio" not in sys.modules:
        _stand_in_for_torchaudio()
    if "libdf" not in sys.modules and find_spec("libdf") is None:
        _stand_in_for_libdf()


def _no_libdf(*_: object, **__: object) -> NoReturn:
    raise MissingExtra("upstream's offline enhance()", REFERENCE)


class DF:
    """As far as a net asks for it while it is built. Who wants its STFT needs the real one. Raises MissingExtra."""

    analysis = synthesis = staticmethod(_no_libdf)

    def __init__(self, sr: int, fft_size: int, hop_size: int, nb_bands: int, min_nb_erb_freqs: int = 1) -> None:
        self._widths = np.array(widths(sr, fft_size, nb_bands, min_nb_erb_freqs), np.uint64)

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
