"""The two features of each frame, and their running means from hop to hop.

spectrum float32[B, 2, T, 481] (real and imaginary part; B voices, T hops) -> erb [B, 1, T, 32] and complex [B, 2, T, 96].
"""

import numpy as np

from workers.graphs.banks import analysis
from workers.graphs.configuration import BANDS, LOW_BINS
from workers.graphs.memory import Memory
from workers.graphs.state_layout import Part
from workers.graphs.writer import DOUBLE, FLOAT, Writer, single

ALPHA = 0.99  # upstream's decay a hop: exp(-0.01), rounded
LEAST = 1e-12  # the mean size falls to zero in 140 s of digital silence where denormals are flushed, and 0/0 is NaN for ever
PARTS = (
    Part("levels", (BANDS,), -60, -90, warm=True),
    Part("sizes", (LOW_BINS,), 1e-3, 1e-4, warm=True),
    Part("erb", (1, 2, BANDS)),  # the last two frames' features
    Part("complex", (2, 2, LOW_BINS)),
)


def features(w: Writer, memory: Memory, spectrum: str, low: str, steps: str) -> tuple[str, str]:
    """Both features of the new frames behind those of the last two: [B, 1, 2 + T, 32] and [B, 2, 2 + T, 96]. low: bins up to 4.8 kHz."""
    power = w.add("Add", *w.several("Split", 2, w.add("Mul", spectrum, spectrum), axis=1, num_outputs=2))  # a reduction is slower
    mean = w.add("Add", w.add("MatMul", power, analysis()), single(1e-10))
    bels = w.add("Mul", w.add("Log", w.add("Cast", mean, to=DOUBLE)), np.array(1 / np.log(10)))
    level = w.add("Mul", w.add("Cast", bels, to=FLOAT), single(10))
    size = w.add("Sqrt", w.part(power, 3, 0, LOW_BINS))
    before = w.join(3, memory.was("levels", -1, 1, 1, BANDS), memory.was("sizes", -1, 1, 1, LOW_BINS))
    means = running(w, w.join(3, level, size), before, steps)
    levels, sizes = w.several("Split", 2, means, np.array([BANDS, LOW_BINS], np.int64), axis=3)
    memory.becomes("levels", w.part(levels, 2, -1))
    memory.becomes("sizes", w.part(sizes, 2, -1))
    erb = w.join(2, memory.was("erb"), w.add("Div", w.add("Sub", level, levels), single(40)))
    complex_ = w.join(2, memory.was("complex"), w.add("Div", low, w.add("Sqrt", sizes)))
    memory.becomes("erb", w.part(erb, 2, -2))
    memory.becomes("complex", w.part(complex_, 2, -2))
    return erb, complex_


def running(w: Writer, values: str, mean: str, steps: str) -> str:
    """The mean so far at each hop: values [B, 1, T, N] and the mean before them [B, 1, 1, N] -> [B, 1, T, N].

    Done for the first hop and the last, which are one where T is 1: what is too much is left out. Rounded as libdf does,
    value by value: means that differ by an ulp cost 20 dB of agreement where the sound begins near silence.
    """
    new, old = single(float(np.float32(1) - np.float32(ALPHA))), single(ALPHA)  # new is not quite 0.01
    least = np.concatenate([np.full(BANDS, -1e9), np.full(LOW_BINS, LEAST)]).astype(np.float32)
    means, shares = [], w.add("Mul", values, new)
    for share in (w.part(shares, 2, 0, 1), w.part(shares, 2, -1)):
        mean = w.add("Max", w.add("Add", share, w.add("Mul", mean, old)), least)
        means.append(mean)
    return w.add("Gather", w.join(2, *means), steps, axis=2)
