"""Empty modules for packages that upstream's `df` imports and does not need here.

`df.io` imports torchaudio to load and save files; a CPU-only installation of torch lacks it. Many modules import `libdf`, which has no
wheels for Python above 3.11. Only the offline `enhance()` needs it; loading a network takes only the widths of the ERB bands from it.
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
    """Install them where the real packages are missing. Call it before `df` is imported. Idempotent."""
    if "torchaudio" not in sys.modules:
        _stand_in_for_torchaudio()
    if "libdf" not in sys.modules and find_spec("libdf") is None:
        _stand_in_for_libdf()


def _no_libdf(*_: object, **__: object) -> NoReturn:
    raise MissingExtra("upstream's offline enhance()", REFERENCE)


class DF:
    """As much of libdf.DF as building a network uses. Its STFT raises MissingExtra."""

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
