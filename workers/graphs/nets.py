"""DeepFilterNet3 and 2, for any number of voices and of hops a call.

The order of operations is upstream's: `workers.deepfilternet.deepfilternet3` and `deepfilternet2` say the same in torch.
"""

import math

import numpy as np

from workers.graphs import convolutions, embedding
from workers.graphs.banks import synthesis
from workers.graphs.coefficients import coefficients, filtered
from workers.graphs.configuration import BINS, LOW_BINS, ORDER, Configuration
from workers.graphs.convolutions import Convolutions
from workers.graphs.embedding import Embedding
from workers.graphs.features import PARTS, features
from workers.graphs.memory import Memory
from workers.graphs.shapes import Floats, Tensors
from workers.graphs.state_layout import Part
from workers.graphs.writer import Writer, single

EPS = 1e-12
HIGH_BINS = BINS - LOW_BINS
MASK_BETA = 0.02  # of DeepFilterNet2's post filter, whose code has it as a default


def parts(of: Configuration) -> tuple[Part, ...]:
    """What a voice carries from call to call."""
    ahead, wait = of.look_ahead, of.wait
    if of.version == 3:
        rings = [Part("low", (2, ORDER - 1, LOW_BINS), warm=True), Part("high", (2, ahead, HIGH_BINS), warm=True)]
    else:
        rings = [
            Part("noisy", (2, ahead, BINS), warm=True),  # frames that wait for their mask
            Part("low", (2, ORDER - 1, LOW_BINS)),  # the last masked frames up to 4.8 kHz
            Part("high", (2, wait, HIGH_BINS)),  # masked frames above that wait for those below
            Part("coefficients", (2 * ORDER, wait, LOW_BINS)),
        ]
    every = (*PARTS, *rings, *convolutions.parts(of), *embedding.parts(of))
    return tuple(part for part in every if part.size)


class Net:
    """Writes a whole network. Inputs: a spectrum [B, 2, T, 481]; `steps`, `picks` and `waits` of workers.deepfilternet.hopwise."""

    def __init__(self, w: Writer, memory: Memory, tensors: Tensors, of: Configuration, post_filter: bool) -> None:
        self._w, self._memory, self._of, self._post_filter = w, memory, of, post_filter
        self._tensors = tensors
        self._convolutions = Convolutions(w, memory, tensors)
        self._embedding = Embedding(w, memory, tensors, of)

    def write(self, spectrum: str, steps: str, picked: str, waits: str) -> str:
        """The clean frames: [B, 2, T, 481]."""
        low, high = self._w.several("Split", 2, spectrum, np.array([LOW_BINS, HIGH_BINS], np.int64), axis=3)
        erb, complex_ = features(self._w, self._memory, spectrum, low, steps)
        skips, c0, c1 = self._convolutions.encoded(erb, complex_)
        pathway = self._convolutions.pathway(c0, steps, waits)
        if self._of.version == 3:
            narrow, rows = self._embedded3(skips[3], c1)
            gains = self._convolutions.gains(narrow, skips)
            found = coefficients(self._w, self._embedding, rows, pathway, self._tensors["filter_out"])
            return self._applied3(low, high, gains, found, picked)
        narrow, rows = self._embedded2(skips[3], c1)
        gains = self._convolutions.gains(narrow, skips)
        found = coefficients(self._w, self._embedding, rows, pathway, self._tensors["filter_out"])
        return self._applied2(spectrum, gains, found, picked)

    def _embedded3(self, e3: str, c1: str) -> tuple[str, str]:
        """The embedding as the mask's convolutions take it [B, 64, T, 8], and rows for the coefficients."""
        e, w, of = self._embedding, self._w, self._of
        of_complex = e.relu(e.linear(e.grouped_bins(c1, of.encoder_groups, 48), self._tensors["complex_in"]))
        if of.encoder_groups != 16:
            of_complex = w.transpose(w.reshape(w.transpose(of_complex, 1, 2, 0, 3), 0, 0, 16, 32), 2, 0, 1, 3)
        both = w.add("Add", e.grouped_bins(e3, 16, 8), of_complex)
        hidden = e.gru("encoder", 1, e.rows(e.relu(e.linear(both, e.weight("encoder_in", 16)))))
        emb = e.relu(e.linear(e.grouped(hidden, 8), e.weight("encoder_out", 8)))
        fan = np.concatenate([e.weight(name, 8) for name in ("mask_in", "filter_in", "filter_skip")], axis=2)
        to_mask, to_filter, beside = self._fanned(e.linear(emb, fan), 3)
        mask = e.gru("mask", of.mask_layers, e.relu(to_mask))
        rows = w.add("Add", e.gru("filter", of.filter_layers, e.relu(to_filter)), beside)
        return self._narrow(mask, of.groups), rows

    def _embedded2(self, e3: str, c1: str) -> tuple[str, str]:
        e, w, of = self._embedding, self._w, self._of
        of_complex = e.relu(e.linear(e.grouped_bins(c1, 8, 48), e.weight("complex_in", 8)))  # [8, T, B, 64]
        weight = self._tensors["encoder_in"]  # of 8 groups: four of the first half of its input, four of the second
        halves = [self._half(e3, weight[:4]), self._complex_half(of_complex, weight[4:])]
        hidden = e.gru("encoder", 1, e.rows(e.relu(w.join(0, *halves))))
        fan = np.concatenate([e.weight(name, 8) for name in ("mask_in", "filter_in")], axis=2)
        to_mask, to_filter = (e.relu(each) for each in self._fanned(e.linear(e.grouped(hidden, 8), fan), 2))
        mask = w.add("Add", e.gru("mask", of.mask_layers, to_mask), to_mask)
        rows = w.add("Add", e.gru("filter", of.filter_layers, to_filter), to_filter)
        return self._narrow(mask, of.groups), rows

    def _half(self, e3: str, weight: Floats) -> str:
        return self._embedding.linear(self._embedding.grouped_bins(e3, 4, 8), weight)

    def _complex_half(self, x: str, weight: Floats) -> str:
        """[8, T, B, 64] as four groups of 128."""
        w = self._w
        pairs = w.transpose(w.reshape(w.transpose(x, 1, 2, 0, 3), 0, 0, 4, 128), 2, 0, 1, 3)
        return self._embedding.linear(pairs, weight)

    def _fanned(self, x: str, count: int) -> list[str]:
        """[8, T, B, count * H / 8] -> count times [T, B, H]."""
        w, hidden = self._w, self._of.hidden
        apart = w.transpose(w.reshape(x, 0, 0, 0, count, hidden // 8), 3, 1, 2, 0, 4)
        apart = w.reshape(apart, 0, 0, 0, hidden)
        return [w.add("Gather", apart, np.array(number, np.int64), axis=0) for number in range(count)]

    def _narrow(self, rows: str, groups: int) -> str:
        e, w = self._embedding, self._w
        wide = e.relu(e.linear(e.grouped(rows, groups), self._tensors["mask_out"]))  # [G, T, B, 512 / G]
        return w.transpose(w.reshape(w.transpose(wide, 2, 1, 0, 3), 0, 0, 8, 64), 0, 3, 1, 2)

    def _applied3(self, low: str, high: str, gains: str, found: str, picked: str) -> str:
        w, memory, ahead = self._w, self._memory, self._of.look_ahead
        frames = w.join(2, memory.was("low"), low)
        memory.becomes("low", w.part(frames, 2, 1 - ORDER))
        late = self._delayed("high", high, ahead)
        above = w.add("Mul", late, w.add("MatMul", gains, synthesis()[:, LOW_BINS:]))
        clean = w.join(3, filtered(w, frames, found, picked), above)
        if not self._post_filter:
            return clean
        noisy = w.part(frames, 2, ORDER - 1 - ahead, -ahead if ahead else 2**62)
        return self._weakened(clean, w.join(3, noisy, late))

    def _applied2(self, spectrum: str, gains: str, found: str, picked: str) -> str:
        w, memory, of = self._w, self._memory, self._of
        gains = w.add("MatMul", self._bent(gains) if self._post_filter else gains, synthesis())
        masked = w.add("Mul", self._delayed("noisy", spectrum, of.look_ahead), gains)
        low, high = w.several("Split", 2, masked, np.array([LOW_BINS, HIGH_BINS], np.int64), axis=3)
        frames = w.join(2, memory.was("low"), low)
        memory.becomes("low", w.part(frames, 2, 1 - ORDER))
        found = self._delayed("coefficients", found, of.wait)
        return w.join(3, filtered(w, frames, found, picked), self._delayed("high", high, of.wait))

    def _delayed(self, name: str, values: str, hops: int) -> str:
        """float32[B, C, T, F]: what was put into this queue so many hops ago."""
        if not hops:
            return values
        queue = self._w.join(2, self._memory.was(name), values)
        self._memory.becomes(name, self._w.part(queue, 2, -hops))
        return self._w.part(queue, 2, 0, -hops)

    def _bent(self, gains: str) -> str:
        """The gains of a mask, bent as DeepFilterNet2 does."""
        w = self._w
        sines = w.add("Mul", gains, w.add("Sin", w.add("Mul", gains, single(math.pi / 2))))
        ratio = w.add("Div", gains, w.add("Max", sines, single(EPS)))
        curve = w.add("Add", w.add("Mul", w.add("Mul", ratio, ratio), single(MASK_BETA)), single(1))
        return w.add("Div", w.add("Mul", gains, single(1 + MASK_BETA)), curve)

    def _weakened(self, clean: str, noisy: str) -> str:
        """Frames, and the noisy ones that they were made of, as DeepFilterNet3's post filter does."""
        w, beta, axis = self._w, self._of.beta, np.array([1], np.int64)
        sizes = [w.add("ReduceL2", frames, axis, keepdims=1) for frames in (clean, noisy)]
        gains = w.add(
            "Clip", w.add("Div", sizes[0], w.add("Add", sizes[1], single(EPS))), np.array(EPS, np.float32), np.array(1, np.float32)
        )
        sines = w.add("Mul", gains, w.add("Max", w.add("Sin", w.add("Mul", gains, single(math.pi / 2))), single(EPS)))
        ratio = w.add("Div", gains, sines)
        curve = w.add("Add", w.add("Mul", w.add("Mul", ratio, ratio), single(beta)), single(1))
        return w.add("Mul", clean, w.add("Div", single(1 + beta), curve))
