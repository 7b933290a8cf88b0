"""Loads models with the `deepfilternet` package. The only module that imports `df`.

Its quirks: it imports packages that are not needed here (`standins`); `df.config` is global, so one process can load one model
family only; without `log_file=None` it writes a log beside the weights.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from workers.deepfilternet.filled import fill
from workers.deepfilternet.standins import stand_in
from workers.weights import tars

Sound = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Upstream:
    """A loaded model, which upstream runs offline on a whole sound."""

    net: nn.Module
    analysis: Any  # libdf.DF: the STFT both ways, and the ERB widths

    def enhance(self, sound: Sound) -> Sound:
        """Denoise a whole sound; the output trails the input by 480 samples.  float32[n], 48 kHz -> float32[n // 480 * 480].

        Raises MissingExtra where libdf is not installed.
        """
        from df.enhance import enhance

        noisy = torch.from_numpy(np.ascontiguousarray(sound, np.float32))[None]
        return np.asarray(enhance(self.net, self.analysis, noisy, pad=False)[0].numpy(), np.float32)


def load(place: Path, post_filter: bool = False) -> Upstream:
    """Load the model of a folder with config.ini and checkpoints/, or of its ONNX export, NAME_onnx.tar.gz.

    Raises OSError or RuntimeError where the files are no such model.
    """
    stand_in()
    return _of_export(place, post_filter) if place.is_file() else _of_folder(place, post_filter)


def _of_folder(folder: Path, post_filter: bool) -> Upstream:
    from df.enhance import init_df

    if not (folder / "config.ini").is_file():
        raise FileNotFoundError(f"no config.ini in {folder}")
    try:
        net, analysis, _ = init_df(str(folder), post_filter, log_level="none", log_file=None)
    except SystemExit as stop:  # upstream exits when it finds no checkpoint
        raise FileNotFoundError(f"no checkpoint in {folder}") from stop
    return Upstream(net.eval(), analysis)


def _of_export(file: Path, post_filter: bool) -> Upstream:
    """Build an untrained network with upstream's code, and set its parameters from the export."""
    from df.enhance import init_df

    try:
        from workers.graphs import errors, place
    except ImportError as error:
        raise RuntimeError(f"{file.name} is read with onnx, which is not installed there: python3 run.py install cuda") from error
    try:
        _, tensors = place.read(file)
        config = tars.read(file, (tars.CONFIG,))[tars.CONFIG]
    except errors.WeightsError as error:
        raise RuntimeError(str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.ini").write_bytes(config)
        net, analysis, _ = init_df(folder, post_filter, log_level="none", log_file=None, epoch="none")
    fill(net, tensors)
    return Upstream(net.eval(), analysis)


def norm_alpha() -> float:
    """The decay of both feature norms for each hop: 0.99, rounded by upstream."""
    from df.utils import get_norm_alpha

    return float(get_norm_alpha(log=False))
