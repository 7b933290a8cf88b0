"""libdf's STFT for all voices of a batch at once: frames of 960 samples, hops of 480, Vorbis window, scaled in the analysis.

numpy 2 computes it in float32 throughout, as libdf does: in another precision it would agree with libdf 20 dB less.
"""

import numpy as np
import numpy.typing as npt

HOP = 480
BINS = HOP + 1
Floats = npt.NDArray[np.float32]
_WINDOW = np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(2 * HOP) + 0.5) / (2 * HOP)) ** 2)
_IN = (_WINDOW / (2 * HOP)).astype(np.float32).reshape(2, HOP)
_OUT = _WINDOW.astype(np.float32)


def analysis(heard: Floats, sound: Floats) -> Floats:
    """The last hop of n voices [n, 480] and their next T hops [n, T * 480] -> spectra [n, 2, T, 481], real and imaginary parts."""
    voices, hops = len(sound), sound.shape[1] // HOP
    frames = np.empty((voices, hops, 2, HOP), np.float32)
    after = sound.reshape(voices, hops, HOP)
    np.multiply(heard, _IN[0], out=frames[:, 0, 0])
    if hops > 1:
        np.multiply(after[:, :-1], _IN[0], out=frames[:, 1:, 0])
    np.multiply(after, _IN[1], out=frames[:, :, 1])
    bins = np.fft.rfft(frames.reshape(voices, hops, 2 * HOP))
    spectra = np.empty((voices, 2, hops, BINS), np.float32)
    spectra[:, 0], spectra[:, 1] = bins.real, bins.imag
    return spectra


def synthesis(tail: Floats, spectra: Floats) -> tuple[Floats, Floats]:
    """The second half of the last frame [n, 480] and spectra [n, 2, T, 481] -> sound [n, T * 480] and the second half of its last frame."""
    voices, _, hops, _ = spectra.shape
    bins = np.empty((voices, hops, BINS), np.complex64)
    bins.real, bins.imag = spectra[:, 0], spectra[:, 1]
    frames = np.multiply(np.fft.irfft(bins, 2 * HOP, norm="forward"), _OUT, dtype=np.float32, casting="same_kind")
    halves = frames.reshape(voices, 2 * hops, HOP)
    halves[:, 0] += tail
    if hops > 1:
        halves[:, 2::2] += halves[:, 1:-1:2]
    return halves[:, ::2].reshape(voices, hops * HOP), halves[:, -1]
