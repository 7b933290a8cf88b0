"""Distributions one below the other over one axis of milliseconds, each with its median and its 99th percentile, as SVG."""

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

import numpy as np

WIDTH, STRIP, LEFT, RIGHT, TOP, BOTTOM = 900, 54, 250, 150, 8, 46
BINS = 90
XOf = Callable[[float], float]
COLOUR, MEDIAN, LATE = "#2f7de1", "#2fa866", "#d33"


class Strip(NamedTuple):
    """One distribution: its name and every value, in milliseconds."""

    name: str
    ms: Sequence[float]


def histograms(strips: Sequence[Strip], axis: str, title: str) -> str:
    """The picture. The axis is logarithmic, for what is compared lies far apart."""
    every = np.concatenate([np.asarray(strip.ms, float) for strip in strips])
    low, high = floor(log10(max(every.min(), 1e-4)) * 3) / 3, ceil(log10(max(every.max(), 1e-3)) * 3) / 3
    high = max(high, low + 1 / 3)
    edges = np.logspace(low, high, BINS + 1)
    width, height = WIDTH - LEFT - RIGHT, TOP + STRIP * len(strips) + BOTTOM

    def x_of(ms: float) -> float:
        return LEFT + width * (min(max(log10(max(ms, 1e-9)), low), high) - low) / (high - low)

    parts = _axis(low, high, x_of, height, axis)
    for at, strip in enumerate(strips):
        parts += _strip(strip, edges, x_of, TOP + STRIP * at)
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _axis(low: float, high: float, x_of: XOf, height: int, axis: str) -> list[str]:
    marks = [factor * 10.0**power for power in range(floor(low), ceil(high) + 1) for factor in (1, 2, 5)]
    parts = []
    for mark in marks:
        if 10**low * 0.999 <= mark <= 10**high * 1.001:
            x = x_of(mark)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
            parts.append(f'<text x="{x:.1f}" y="{height - BOTTOM + 18}" text-anchor="middle">{mark:g}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    return [*parts, f'<text x="{middle}" y="{height - 6}" text-anchor="middle">{escape(axis)}</text>']


def _strip(strip: Strip, edges: np.ndarray, x_of: XOf, top: int) -> list[str]:
    counts, _ = np.histogram(np.clip(strip.ms, edges[0], edges[-1]), edges)
    base, tallest = top + STRIP - 6, STRIP - 14
    parts = [f'<text x="{LEFT - 10}" y="{base - 4}" text-anchor="end">{escape(strip.name)}</text>']
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            high = max(1.0, tallest * count / counts.max())
            x = x_of(left)
            wide = x_of(right) - x
            parts.append(f'<rect x="{x:.1f}" y="{base - high:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{COLOUR}"/>')
    for share, colour in ((0.5, MEDIAN), (0.99, LATE)):
        x = x_of(float(np.quantile(strip.ms, share)))
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 4}" y2="{base}" stroke="{colour}" stroke-width="2"/>')
    p50, p99 = (f"{np.quantile(strip.ms, share):.3g}" for share in (0.5, 0.99))
    words = f'<tspan fill="{MEDIAN}">{p50}</tspan> / <tspan fill="{LATE}">{p99} ms</tspan>'
    parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{base - 4}">{words}</text>')
    parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    return parts
