"""Upstream's three ONNX graphs run over a whole sound: what streaming has to come to, computed by none of the parts that stream.

The STFT is numpy's in float64, features are summed up in a loop, the deep filter is written out as its definition.
"""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from tests.support.sound import Sound

HOP, LOW, ORDER = 480, 96, 5
WINDOW = np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(2 * HOP) + 0.5) / (2 * HOP)) ** 2)
WIDTHS = (*[2] * 13, 5, 5, 7, 7, 8, 10, 12, 13, 15, 18, 20, 24, 28, 31, 37, 42, 50, 56, 67)  # bins of each band, as libdf says
Spectrum = npt.NDArray[np.complex128]


def enhanced_by_graphs(tar: Path, sound: Sound, look_ahead: int) -> Sound:
    """DeepFilterNet3, of either kind: float32[n] -> as long, 480 samples late. n in whole blocks of 480."""
    frames = _frames(sound)
    erb, low = _features(frames)
    ahead = ((0, look_ahead), (0, 0))
    erb, low = (np.pad(each[look_ahead:], ahead) for each in (erb, low))
    encoder, to_mask, to_filter = _sessions(tar)
    given = {"feat_erb": erb[None, None], "feat_spec": np.stack([low.real, low.imag])[None]}
    said = dict(
        zip(
            (each.name for each in encoder.get_outputs()),
            encoder.run(None, {k: v.astype(np.float32) for k, v in given.items()}),
            strict=True,
        )
    )
    mask = to_mask.run(["m"], {each.name: said[each.name] for each in to_mask.get_inputs()})[0][0, 0]
    coefs = to_filter.run(["coefs"], {each.name: said[each.name] for each in to_filter.get_inputs()})[0][0]
    clean = frames * np.repeat(mask, WIDTHS, axis=1)
    clean[:, :LOW] = _filtered(frames[:, :LOW], coefs.reshape(len(frames), LOW, ORDER, 2).astype(float), look_ahead)
    return _sound(clean)


def _sessions(tar: Path) -> list[Any]:
    with tarfile.open(tar) as packed:
        inside = {Path(each.name).stem: io.BytesIO(packed.extractfile(each).read()) for each in packed.getmembers()}  # type: ignore[union-attr]
    return [
        onnxruntime.InferenceSession(inside[part].getvalue(), providers=["CPUExecutionProvider"]) for part in ("enc", "erb_dec", "df_dec")
    ]


def _frames(sound: Sound) -> Spectrum:
    blocks = np.concatenate([np.zeros(HOP), sound.astype(float)]).reshape(-1, HOP)
    return np.fft.rfft(np.concatenate([blocks[:-1], blocks[1:]], axis=1) * WINDOW) / (2 * HOP)


def _features(frames: Spectrum) -> tuple[npt.NDArray[np.float64], Spectrum]:
    edges = np.cumsum((0, *WIDTHS))[:-1]
    levels = 10 * np.log10(np.add.reduceat(np.abs(frames) ** 2, edges, axis=1) / np.array(WIDTHS) + 1e-10)
    low = frames[:, :LOW].copy()
    level, size = np.linspace(-60, -90, 32), np.linspace(1e-3, 1e-4, LOW)
    for hop, values in enumerate(levels.copy()):
        level = 0.01 * values + 0.99 * level
        size = 0.01 * np.abs(low[hop]) + 0.99 * size
        levels[hop] = (values - level) / 40
        low[hop] /= np.sqrt(size)
    return levels, low


def _filtered(low: Spectrum, coefs: npt.NDArray[np.float64], look_ahead: int) -> Spectrum:
    padded = np.pad(low, ((ORDER - 1 - look_ahead, look_ahead), (0, 0)))
    taps = coefs[..., 0] + 1j * coefs[..., 1]
    return np.asarray(sum(padded[tap : tap + len(low)] * taps[:, :, tap] for tap in range(ORDER)))


def _sound(frames: Spectrum) -> Sound:
    halves = (np.fft.irfft(frames, norm="forward") * WINDOW).reshape(-1, 2, HOP)
    out = halves[:, 0]
    out[1:] += halves[:-1, 1]
    return out.ravel().astype(np.float32)
