"""The convolutions around the GRUs. Everything is float32[B, C, T, F]: B voices, C channels, T hops, F bins.

Hops lie along the height of an image, so that one graph takes any number of them. A depthwise kernel and the pointwise one
behind it stay apart, for ONNX Runtime has fast ways for both; transposes are those that it does while it blocks channels.
"""

import numpy as np

from workers.graphs.configuration import BANDS, CHANNELS, LOW_BINS, ORDER, Configuration
from workers.graphs.memory import Memory
from workers.graphs.shapes import Floats, Tensors
from workers.graphs.state_layout import HOPS, Part
from workers.graphs.writer import Writer

GROUPS = 2  # of the pathway's kernel
BLOCK = 16  # channels that ONNX Runtime computes together, at most


def parts(of: Configuration) -> tuple[Part, ...]:
    """What kernels that see more than one frame have added to the next hops already."""
    waiting = of.conv_frames - 1
    widths = {"erb_conv1": 16, "erb_conv2": 8, "erb_conv3": 8, "df_conv1": 48, "convt3": 8}
    found = [Part(name, (CHANNELS, waiting, width)) for name, width in widths.items()]
    return (*found, Part("conv0_out", (1, waiting, BANDS)), Part("df_convp", (2 * ORDER, of.pathway_frames - 1, LOW_BINS)))


class Convolutions:
    """Writes upstream's blocks."""

    def __init__(self, w: Writer, memory: Memory, tensors: Tensors) -> None:
        self._w, self._memory, self._tensors = w, memory, tensors

    def encoded(self, erb: str, complex_: str) -> tuple[list[str], str, str]:
        """Features behind those of two frames -> [e0, e1, e2, e3], c0 and c1."""
        e0 = self._relu(self._conv(erb, self._kernel("erb_conv0.first"), self._kernel("erb_conv0.shift"), pads=(0, 1, 0, 1)))
        e1 = self._block("erb_conv1", e0, 2)
        e2 = self._block("erb_conv2", e1, 2)
        e3 = self._block("erb_conv3", e2, 1)
        kernel = np.einsum("op,pctf->octf", self._kernel("df_conv0.second"), dense(self._kernel("df_conv0.first"), 2))
        c0 = self._relu(self._conv(complex_, kernel, self._kernel("df_conv0.shift"), pads=(0, 1, 0, 1)))
        return [e0, e1, e2, e3], c0, self._block("df_conv1", c0, 2)

    def gains(self, narrow: str, skips: list[str]) -> str:
        """Embedding [B, 64, T, 8] and the encoder's maps -> a gain in [0, 1] for each band: [B, 1, T, 32]."""
        e0, e1, e2, e3 = skips
        d3 = self._block("convt3", self._sum("conv3p", e3, narrow, same=False), 1)
        d2 = self._doubled("convt2", self._sum("conv2p", e2, d3), 8)
        d1 = self._doubled("convt1", self._sum("conv1p", e1, d2, same=False), 16)
        out = self._sum("conv0p", e0, d1, same=False)
        kernel, shift = self._kernel("conv0_out.first"), self._kernel("conv0_out.shift")
        if kernel.shape[2] > 1:
            return self._w.add("Sigmoid", self.overlapping("conv0_out", out, kernel, shift, pads=1))
        # ONNX Runtime computes one output channel as 16. With the three taps as channels that is done once, not for each tap.
        taps = self._conv(out, kernel[0, :, 0].T[:, :, None, None], None)
        return self._w.add("Sigmoid", self._conv(taps, np.eye(3, dtype=np.float32)[None, :, None], shift, pads=(0, 1, 0, 1)))

    def pathway(self, c0: str, steps: str, waits: str) -> str:
        """c0 [B, 64, T, 96] -> what it adds to the coefficients: [B, 10, T, 96], the real parts of five frames first.

        One kernel covers both hops of a call; its channels are what these hops add to their own outputs and to later ones. So
        the grouped kernel and the pointwise one behind it stay apart, which halves the products.
        """
        order = np.arange(2 * ORDER).reshape(ORDER, 2).T.ravel()
        w, first, pointwise = self._w, self._kernel("df_convp.first"), self._kernel("df_convp.second")[order][:, :, None, None]
        rows, wait = first.shape[2] + HOPS - 1, first.shape[2] - 1
        added = self._conv(c0, spread_over_hops(first), None, pads=(0, 0, HOPS - 1, 0), groups=GROUPS, strides=(HOPS, 1))
        added = w.part(w.reshape(added, 0, GROUPS, -1, LOW_BINS), 2, 0, ORDER * rows)
        every = w.reshape(added, 0, 2 * ORDER, rows, LOW_BINS)
        if wait:
            begun, new = w.several("Split", 2, every, np.array([wait, HOPS], np.int64), axis=2)
            every = w.join(2, w.add("Add", begun, self._memory.was("df_convp")), new)
            self._memory.becomes("df_convp", w.add("Gather", every, waits, axis=2))
        return self._relu(self._conv(w.add("Gather", every, steps, axis=2), pointwise, self._kernel("df_convp.shift")[order]))

    def overlapping(self, name: str, x: str, kernel: Floats, shift: Floats | None, pads: int, groups: int = 1, stride: int = 1) -> str:
        """A convolution that sees `frames` hops: carried are not its inputs, but what they will add to the next outputs."""
        frames = kernel.shape[2]
        pad = (frames - 1, pads, frames - 1, pads)
        if frames == 1:
            return self._conv(x, kernel, shift, pads=pad, groups=groups, strides=(1, stride))
        w, wait = self._w, frames - 1
        every = self._conv(x, kernel, None, pads=pad, groups=groups, strides=(1, stride))  # [B, O, T + wait, F]
        begun = w.add("Add", w.part(every, 2, 0, wait), self._memory.was(name))
        every = w.join(2, begun, w.part(every, 2, wait))
        self._memory.becomes(name, w.part(every, 2, -wait))
        now = w.part(every, 2, 0, -wait)
        return now if shift is None else w.add("Add", now, shift[:, None, None])

    def _kernel(self, name: str) -> Floats:
        return self._tensors[name]

    def _relu(self, x: str) -> str:
        return self._w.add("Relu", x)

    def _block(self, name: str, x: str, stride: int) -> str:
        """Depthwise over bins, and frames where it sees several; pointwise; ReLU."""
        first = self._kernel(f"{name}.first")
        spread = self.overlapping(name, x, first, None, pads=1, groups=CHANNELS, stride=stride)
        return self._relu(self._conv(spread, self._kernel(f"{name}.second")[:, :, None, None], self._kernel(f"{name}.shift")))

    def _sum(self, name: str, skip: str, x: str, same: bool = True) -> str:
        """ReLU of a gain and an offset a channel, and x added. same: x comes out of a convolution, in its blocks of channels."""
        gained = self._relu(self._conv(skip, self._kernel(f"{name}.first"), self._kernel(f"{name}.shift"), groups=CHANNELS))
        if not same:  # a convolution that does nothing takes x into the blocks, and the sum along
            x = self._conv(x, np.ones((CHANNELS, 1, 1, 1), np.float32), None, groups=CHANNELS)
        return self._w.add("Add", gained, x)

    def _doubled(self, name: str, x: str, bins: int) -> str:
        """A transposed convolution of stride 2: out[2i] = k1 x[i], out[2i + 1] = k2 x[i] + k0 x[i + 1]. [B, C, T, F] -> [B, C, T, 2F]."""
        w, kernel = self._w, self._kernel(f"{name}.first")
        even = self._conv(x, kernel[:, :, :, 1:2], None, groups=CHANNELS)
        odd = self._conv(x, kernel[:, :, :, [2, 0]], None, pads=(0, 0, 0, 1), groups=CHANNELS)
        pointwise = np.tile(self._kernel(f"{name}.second"), (2, 1))[:, :, None, None]
        both = self._relu(self._conv(w.join(1, even, odd), pointwise, np.tile(self._kernel(f"{name}.shift"), 2), groups=2))
        rows = w.reshape(w.transpose(both, 0, 2, 3, 1), 0, 0, 2 * bins, CHANNELS)
        return w.transpose(rows, 0, 3, 1, 2)

    def _conv(
        self,
        x: str,
        kernel: Floats,
        shift: Floats | None,
        *,
        pads: tuple[int, ...] = (0, 0, 0, 0),
        groups: int = 1,
        strides: tuple[int, int] = (1, 1),
    ) -> str:
        more = () if shift is None else (shift,)
        return self._w.add(
            "Conv", x, np.asarray(kernel, np.float32), *more, pads=pads, group=groups, strides=strides, kernel_shape=kernel.shape[2:]
        )


def spread_over_hops(kernel: Floats) -> Floats:
    """The pathway's kernel [10, 32, F, 1] over frames as one over the hops of a call: float32[2 * width, 32, HOPS, 1].

    The first 5 * (F + HOPS - 1) channels of a group are, for each output, what the hops add to its frame of the first hop, of
    the next one, and so on. Zeros fill the group's last block.
    """
    frames = kernel.shape[2]
    rows = frames + HOPS - 1
    width = -(-ORDER * rows // BLOCK) * BLOCK
    made = np.zeros((GROUPS, width, kernel.shape[1], HOPS, 1), np.float32)
    for out in range(GROUPS * ORDER):
        for hop in range(HOPS):
            for frame in range(frames):
                row = hop + frames - 1 - frame
                made[out // ORDER, out % ORDER * rows + row, :, hop, 0] = kernel[out, :, frame, 0]
    return made.reshape(GROUPS * width, kernel.shape[1], HOPS, 1)


def dense(kernel: Floats, groups: int) -> Floats:
    """The kernel [O, C / groups, T, F] of a grouped convolution as that of an ungrouped one: float64[O, C, T, F]."""
    out, width = kernel.shape[:2]
    made = np.zeros((out, width * groups, *kernel.shape[2:]))
    share = out // groups
    for group in range(groups):
        rows = slice(group * share, (group + 1) * share)
        made[rows, group * width : (group + 1) * width] = kernel[rows]
    return made
