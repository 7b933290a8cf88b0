"""Figures for /metrics, and how they are written (Prometheus' text format)."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiohttp import web


class Sample(NamedTuple):
    """One figure for /metrics. kind: counter or gauge; `labels` in Prometheus' own writing, `variant="auto"` say."""

    name: str
    kind: str
    help: str
    value: float
    labels: str = ""


Samples = Callable[[], Iterable[Sample]]
METRICS: web.AppKey[list[Samples]] = web.AppKey("METRICS")


def exposition(samples: Iterable[Sample]) -> str:
    """Samples in Prometheus' text format, with each name's HELP and TYPE once."""
    lines: list[str] = []
    headed: set[str] = set()
    for sample in sorted(samples):
        if sample.name not in headed:
            headed.add(sample.name)
            lines += [f"# HELP {sample.name} {sample.help}", f"# TYPE {sample.name} {sample.kind}"]
        lines.append(f"{sample.name}{{{sample.labels}}} {sample.value:g}" if sample.labels else f"{sample.name} {sample.value:g}")
    return "\n".join(lines) + "\n"
