"""The tensors of a model by name, whatever file they come from, and the shapes that a configuration asks for.

BLOCK.first float32[O, C / groups, frames, bins]   a convolution's kernel
BLOCK.second float32[O, O]                         the pointwise kernel behind it, where there is one
BLOCK.shift float32[O]                             the bias, batch norm folded in
NAME float32[groups, in, out]                      a grouped linear layer
NAME.N.w, .r float32[1, 3H, H], .b float32[1, 6H]  layer N of a stack of GRUs, in ONNX's order: gates z, r, n; biases of w, then of r
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from workers.graphs.configuration import BANDS, CHANNELS, LOW_BINS, ORDER, Configuration
from workers.graphs.errors import WeightsError

Floats = npt.NDArray[np.float32]
Tensors = dict[str, Floats]
EMBEDDING = CHANNELS * BANDS // 4
ENCODER = ("erb_conv0", "erb_conv1", "erb_conv2", "erb_conv3", "df_conv0", "df_conv1")
DECODER = ("conv3p", "convt3", "conv2p", "convt2", "conv1p", "convt1", "conv0p", "conv0_out")


def wanted(of: Configuration) -> dict[str, tuple[int, ...]]:
    """Every tensor of such a model, with its shape."""
    return {**_convolutions(of), **_linears(of), **_grus(of)}


def _convolutions(of: Configuration) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for block in (*ENCODER, *DECODER, "df_convp"):
        first: tuple[int, ...] = (CHANNELS, 1, of.conv_frames, 3)
        pointwise, out = True, CHANNELS
        if block in ("erb_conv0", "df_conv0"):
            first, pointwise = (CHANNELS, 1, 3, 3), block == "df_conv0"
        elif block in ("convt1", "convt2"):
            first = (CHANNELS, 1, 1, 3)
        elif block.endswith("p") and block != "df_convp":
            first, pointwise = (CHANNELS, 1, 1, 1), False
        elif block == "conv0_out":
            first, pointwise, out = (1, CHANNELS, of.conv_frames, 3), False, 1
        elif block == "df_convp":
            first, out = (2 * ORDER, CHANNELS // 2, of.pathway_frames, 1), 2 * ORDER
        shapes |= {f"{block}.first": first, f"{block}.shift": (out,)} | ({f"{block}.second": (out, out)} if pointwise else {})
    return shapes


def _linears(of: Configuration) -> dict[str, tuple[int, ...]]:
    sizes = {
        "complex_in": (of.encoder_groups, CHANNELS * LOW_BINS // 2, EMBEDDING),
        "encoder_in": (of.groups, EMBEDDING * (2 if of.version == 2 else 1), of.hidden),
        "mask_in": (of.groups, of.hidden if of.version == 2 else EMBEDDING, of.hidden),
        "mask_out": (of.groups, of.hidden, EMBEDDING),
        "filter_in": (8, of.hidden if of.version == 2 else EMBEDDING, of.hidden),  # upstream never says how many groups here
        "filter_out": (of.groups, of.hidden, LOW_BINS * 2 * ORDER),
    }
    if of.version == 3:
        sizes |= {"encoder_out": (of.groups, of.hidden, EMBEDDING), "filter_skip": (of.groups, EMBEDDING, of.hidden)}
    return {name: (groups, inner // groups, outer // groups) for name, (groups, inner, outer) in sizes.items()}


def _grus(of: Configuration) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for stack, layers in (("encoder", 1), ("mask", of.mask_layers), ("filter", of.filter_layers)):
        for layer in range(layers):
            name, gates = f"{stack}.{layer}", 3 * of.hidden
            shapes |= {f"{name}.w": (1, gates, of.hidden), f"{name}.r": (1, gates, of.hidden), f"{name}.b": (1, 2 * gates)}
    return shapes


def checked(found: Mapping[str, Floats], of: Configuration) -> Tensors:
    """The tensors that the model needs, and no others. Raises WeightsError where one is missing, of another shape, or holds no numbers."""
    shapes = wanted(of)
    missing = [name for name in shapes if name not in found]
    if missing:
        raise WeightsError(f"the weights lack {_listed(missing)}")
    wrong = [name for name, shape in shapes.items() if found[name].shape != shape]
    if wrong:
        name = wrong[0]
        raise WeightsError(f"{name} has the shape {found[name].shape} and not {shapes[name]}, as config.ini would have it")
    spoilt = [name for name in shapes if not np.isfinite(found[name]).all()]
    if spoilt:
        raise WeightsError(f"the weights hold no finite numbers in {_listed(spoilt)}")
    return {name: np.ascontiguousarray(found[name], np.float32) for name in shapes}


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return every[0] if len(every) == 1 else f"{every[0]} and {len(every) - 1} more"
