"""What a part of the server tells /metrics: samples and distributions. `web.metrics` makes Prometheus' text of them."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from aiohttp import web

from sfu.histogram import Histogram

NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Sample(NamedTuple):
    """One value. kind: counter or gauge; a counter's name ends in `_total`. All samples of one name have one kind and one help."""

    name: str
    kind: str
    help: str
    value: float
    labels: Mapping[str, str] = NO_LABELS


class Distribution(NamedTuple):
    """A histogram, in the unit that its name ends in."""

    name: str
    help: str
    histogram: Histogram
    labels: Mapping[str, str] = NO_LABELS


Samples = Callable[[], Iterable[Sample | Distribution]]
METRICS: web.AppKey[list[Samples]] = web.AppKey("METRICS")
