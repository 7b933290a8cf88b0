"""Prometheus' text of samples, by prometheus_client. Importing this costs a megabyte, so `exposition` does it with the first scrape."""

import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from web.http.metrics import Distribution, Sample, Samples

# The library writes each value as a float; whole ones stay as they have always been here: `hushcast_sockets 0`.
_WHOLE = re.compile(rb"^([^#].*)\.0$", re.MULTILINE)


_AT_ONCE = 4  # values of one family, of which each may be a histogram with some fifteen lines


class _Sources(Collector):
    """All that the server's parts tell, in the order of the names. A large family comes in several parts with the same name."""

    def __init__(self, sources: list[Samples]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        families: dict[str, list[Sample | Distribution]] = {}
        for source in self._sources:
            for each in source():
                families.setdefault(each.name, []).append(each)
        for _, members in sorted(families.items()):
            members.sort(key=lambda each: sorted(each.labels.items()))
            for first in range(0, len(members), _AT_ONCE):
                yield _family(members[first : first + _AT_ONCE])


class _Only(Collector):
    """One metric, to be written alone."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def _family(members: list[Sample | Distribution]) -> Metric:
    first = members[0]
    kind = first.kind if isinstance(first, Sample) else "histogram"
    metric = Metric(first.name.removesuffix("_total") if kind == "counter" else first.name, first.help, kind)
    for each in members:
        if isinstance(each, Sample):
            metric.add_sample(each.name, dict(each.labels), each.value)
        else:
            _add_ranges(metric, each)
    return metric


def _add_ranges(metric: Metric, told: Distribution) -> None:
    so_far = 0
    for bound, count in zip((*told.histogram.bounds, "+Inf"), told.histogram.counts, strict=True):
        so_far += count
        metric.add_sample(f"{told.name}_bucket", {**told.labels, "le": str(bound)}, so_far)
    metric.add_sample(f"{told.name}_sum", dict(told.labels), told.histogram.total)
    metric.add_sample(f"{told.name}_count", dict(told.labels), so_far)


def registry_of(sources: list[Samples]) -> CollectorRegistry:
    """A registry of this server alone: two servers can share a process. sources: may still grow."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sources(sources))
    return registry


def pieces_of(registry: CollectorRegistry) -> Iterator[bytes]:
    """The text format 0.0.4, in pieces that take half a millisecond or less."""
    before = ""
    for metric in registry.collect():
        text = _WHOLE.sub(rb"\1", generate_latest(_Only(metric)))
        yield text if metric.name != before else text.split(b"\n", 2)[2]  # HELP and TYPE are there already
        before = metric.name
