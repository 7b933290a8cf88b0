"""Which denoisers this server can use now: plugins from the registry, weights and exported graphs from `workers.models.store`."""

import logging
from collections.abc import Mapping

from aiohttp import web

from sfu.config.errors import ConfigError
from web.http.shapes import Answer
from workers import registry
from workers.errors import WorkerFailed
from workers.models.store import ModelStore

logger = logging.getLogger(__name__)

PACKET = 960  # samples of the usual packet, 20 ms; the delay is padded to whole ones
HEAVINESS = {"deepfilternet3_ll": 3.0}  # assumed cost relative to DeepFilterNet3, until one has been measured
ENCODER_LOOKAHEAD = 312  # samples, libopus in `voip`


class DenoiserRow(Answer, frozen=True, kw_only=True):
    """latency_ms: the model's own delay. reason: why it is not available. default: it is the one that serves unasked, now."""

    name: str
    latency_ms: float
    available: bool
    reason: str | None
    default: bool


class DenoiserCatalogue:
    """The catalogue that `sfu` is handed: names, who serves for whom, options, delays. Holds nothing open."""

    def __init__(self, default: str, models: ModelStore) -> None:
        """default: a name, or "auto". Raises ConfigError for a name that nobody registered."""
        self._models = models
        self._latency: dict[str, float] = {}
        self._broken: dict[str, str] = {}
        for name in registry.names():
            try:
                self._latency[name] = registry.load(name).latency_ms
            except (WorkerFailed, AttributeError) as error:  # a third party's plugin; the server works without it
                logger.warning("%s", error)
                self._latency[name], self._broken[name] = 0.0, f"failed: {error}"
        if default != "auto" and default not in self._latency:
            raise ConfigError(f"denoise.default: no denoiser {default!r}; known: auto, {', '.join(self._latency)}")
        first = registry.FIRST if registry.FIRST in self._latency else registry.FALLBACK
        self._default = first if default == "auto" else default

    def names(self) -> list[str]:
        """Every denoiser that can be asked for during a broadcast."""
        return list(self._latency)

    def available(self, name: str) -> tuple[bool, str | None]:
        """(whether it can be used now, why not)."""
        broken = self._broken.get(name)
        return (False, broken) if broken else self._models.state(name)

    def chosen(self, wanted: str | None) -> tuple[str, str | None]:
        """The denoiser to use for `wanted` (None: the default), and the reason where it is another one."""
        name = wanted or self._default
        available, reason = self.available(name)
        return (name, None) if available else (registry.FALLBACK, reason)

    def beforehand(self) -> list[str]:
        """What may be loaded in advance: the default, the fallback, then our own, the lowest latency first.

        A third party's plugin may start threads or crash its process, so it is loaded only on request.
        """
        ours = sorted(filter(self._latency.__contains__, registry.own()), key=self._latency.__getitem__)
        names = dict.fromkeys((self.chosen(None)[0], registry.FALLBACK, *ours))
        return [name for name in names if self.available(name)[0]]

    def options(self, name: str) -> Mapping[str, object]:
        return self._models.options(name)

    def delay_samples(self, name: str) -> int:
        """Model and encoder lookahead, padded to whole 20 ms packets."""
        needed = round(self._latency[name] * 48) + ENCODER_LOOKAHEAD
        return -(-needed // PACKET) * PACKET

    def listed(self) -> list[DenoiserRow]:
        """What /api/denoisers answers."""
        rows, default = [], self.chosen(None)[0]
        for name, latency_ms in self._latency.items():
            available, reason = self.available(name)
            row = DenoiserRow(name=name, latency_ms=latency_ms, available=available, reason=reason, default=name == default)
            rows.append(row)
        return rows


DENOISERS = web.AppKey("DENOISERS", DenoiserCatalogue)
