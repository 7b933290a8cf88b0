"""Which packet out was which packet in: latency and delivery of a window, from what clients sent and heard."""

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests.bench.voice import Sent

CIRCLE = 1 << 16
EARLIEST = 25  # packets: samples are taken early in a window, or just before it
Latencies = npt.NDArray[np.float64]  # ms, [listener, packet], nan where it never came


class Window(NamedTuple):
    """What one server's listeners heard: listener, sequence, stamp and length of each packet, and a few in clear."""

    listener: npt.NDArray[np.uint16]
    sequences: npt.NDArray[np.uint16]
    stamps_ns: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.uint32]
    samples: list[list[tuple[int, bytes]]]


def load(files: list[Path]) -> Window:
    """The same server's listeners of several processes, one after the other."""
    listeners: list[npt.NDArray[np.uint16]] = []
    others: list[tuple[npt.NDArray[np.generic], ...]] = []
    samples: list[list[tuple[int, bytes]]] = []
    for file in files:
        with np.load(file) as found:
            listeners.append(found["listener"] + len(samples))
            others.append((found["sequences"], found["stamps_ns"], found["lengths"]))
            samples += [[(sequence, bytes.fromhex(payload)) for sequence, payload in each] for each in json.loads(str(found["samples"]))]
    columns = [np.concatenate(column) for column in zip(*others, strict=True)]
    return Window(np.concatenate(listeners), columns[0], columns[1], columns[2], samples)


def latencies(window: Window, sent: Sent, *, decoded: bool = False, reference: Window | None = None) -> Latencies:
    """Packets came out unchanged; or `decoded` and encoded again, then loudness tells; or denoised: then a listener of
    originals is the reference, for all listeners' numbers differ from its by half the circle or not at all."""
    out = np.full((len(window.samples), len(sent.stamps_ns)), np.nan)
    stamps = np.array(sent.stamps_ns)
    for listener in range(len(window.samples)):
        own = window.listener == listener
        sequences, came = window.sequences[own].astype(np.int64), window.stamps_ns[own]
        if decoded:
            offset = _offset_by_loudness(sequences, window.lengths[own], came, sent)
        else:
            offset = _offset_by_payload((reference or window).samples[0 if reference else listener], sent)
        if offset is None:
            continue
        at = (sequences - offset - sent.first) % (CIRCLE // 2 if reference else CIRCLE)
        inside = at < out.shape[1]
        at, came = at[inside][::-1], came[inside][::-1]  # a packet that came twice counts when it came first
        out[listener, at] = (came - stamps[at]) / 1e6
    return out


def _offset_by_payload(samples: list[tuple[int, bytes]], sent: Sent) -> int | None:
    for sequence, payload in samples:
        with suppress(KeyError):
            return sequence - sent.number_of(payload, sent.first - EARLIEST)
    return None


def _offset_by_loudness(
    sequences: npt.NDArray[np.int64], lengths: npt.NDArray[np.uint32], stamps_ns: npt.NDArray[np.int64], sent: Sent
) -> int | None:
    """Where the long packets out, in their order, lie best on the long packets in, at most 25 packets later."""
    if not len(sequences):
        return None
    order = np.unwrap(sequences, period=CIRCLE)
    first = int(order[0])
    heard = np.zeros(int(order.max()) - first + 1)
    heard[order - first] = lengths
    said = np.array(sent.lengths, float)
    begun = int(np.searchsorted(np.array(sent.stamps_ns), stamps_ns[0])) - 1  # in while the first packet came out
    heard, said = heard - heard.mean(), said - said.mean()

    def likeness(back: int) -> float:
        start = begun - back  # the first packet out is this one in
        low, high = max(start, 0), min(start + len(heard), len(said))
        return float(heard[low - start : high - start] @ said[low:high]) if high > low else -np.inf

    best = max(range(25), key=likeness)
    return first - (sent.first + begun - best)
