"""A checkpoint's tensors as the builder wants them: batch norm folded into the convolution before it, GRU gates in ONNX's order."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from workers.graphs.configuration import Configuration
from workers.graphs.errors import WeightsError
from workers.graphs.shapes import DECODER, ENCODER, Floats, Tensors

EPS = 1e-5  # of upstream's batch norms
LINEAR = {
    "complex_in": "enc.df_fc_emb.0.weight",
    "encoder_in": "enc.emb_gru.linear_in.0.weight",
    "encoder_out": "enc.emb_gru.linear_out.0.weight",
    "mask_in": "erb_dec.emb_gru.linear_in.0.weight",
    "mask_out": "erb_dec.emb_gru.linear_out.0.weight",
    "filter_in": "df_dec.df_gru.linear_in.0.weight",
    "filter_skip": "df_dec.df_skip.weight",
    "filter_out": "df_dec.df_out.0.weight",
}
GRU = {"encoder": "enc.emb_gru.gru", "mask": "erb_dec.emb_gru.gru", "filter": "df_dec.df_gru.gru"}


def folded(learnt: Mapping[str, Floats], of: Configuration) -> Tensors:
    """Upstream's state dict -> tensors by our names. What is missing is left out. Raises WeightsError."""
    found: Tensors = {name: learnt[theirs] for name, theirs in LINEAR.items() if theirs in learnt}
    for room, blocks in (("enc", ENCODER), ("erb_dec", DECODER), ("df_dec", ("df_convp",))):
        for block in blocks:
            found |= _convolution(learnt, f"{room}.{block}.", block)
    for stack, theirs in GRU.items():
        for layer in range(8):
            if f"{theirs}.weight_ih_l{layer}" in learnt:
                found |= _gru(learnt, theirs, layer, f"{stack}.{layer}", of.hidden)
    return found


def _convolution(learnt: Mapping[str, Floats], prefix: str, block: str) -> Tensors:
    """One block: its convolutions are the tensors of four dimensions in order, its norm the rest."""
    inside = {name[len(prefix) :]: value for name, value in learnt.items() if name.startswith(prefix)}
    kernels = [inside[name] for name in sorted(inside) if inside[name].ndim == 4]
    norm = {name.split(".")[-1]: value.astype(np.float64) for name, value in inside.items() if value.ndim == 1}
    if not kernels or norm.keys() < {"weight", "bias", "running_mean", "running_var"}:
        return {}
    if len({value.shape for value in norm.values()}) != 1 or norm["weight"].shape != kernels[-1].shape[:1]:
        raise WeightsError(f"the batch norm of {prefix[:-1]} does not fit its convolution")
    scale = norm["weight"] / np.sqrt(norm["running_var"] + EPS)
    found = {f"{block}.first": kernels[0], f"{block}.shift": (norm["bias"] - norm["running_mean"] * scale).astype(np.float32)}
    if len(kernels) == 1:
        return found | {f"{block}.first": (kernels[0] * scale[:, None, None, None]).astype(np.float32)}
    return found | {f"{block}.second": (kernels[1].reshape(kernels[1].shape[:2]) * scale[:, None]).astype(np.float32)}


def _gru(learnt: Mapping[str, Floats], theirs: str, layer: int, name: str, hidden: int) -> Tensors:
    try:
        w, r = (_reordered(learnt[f"{theirs}.weight_{kind}_l{layer}"], hidden) for kind in ("ih", "hh"))
        biases = [_reordered(learnt[f"{theirs}.bias_{kind}_l{layer}"], hidden) for kind in ("ih", "hh")]
    except KeyError:
        return {}
    return {f"{name}.w": w[None], f"{name}.r": r[None], f"{name}.b": np.concatenate(biases)[None]}


def _reordered(gates: Floats, hidden: int) -> Floats:
    """Gates r, z, n -> z, r, n along the first axis."""
    if len(gates) != 3 * hidden:
        raise WeightsError(f"a GRU has {len(gates)} gates, and not {3 * hidden} as config.ini would have it")
    parts: list[npt.NDArray[np.float32]] = np.split(gates, 3)
    return np.concatenate([parts[1], parts[0], parts[2]])
