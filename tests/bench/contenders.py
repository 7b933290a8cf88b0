"""bench workers: what is asked of it, and what it has found of each contender."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report import rounded


@dataclass
class Options:
    audio: Path | None  # None: a synthetic voice
    models: Path | None  # None: as a server finds them
    denoisers: Sequence[str]
    shares: Sequence[int] = (1, 8, 16)
    rounds: int = 5
    seconds: float = 30.0
    complexity: int | None = None
    most: int = 200  # voices that are tried


@dataclass
class Found:
    """All of one contender. Lists of lists: the values of each round. None: not for this one."""

    name: str
    latency: int = 0
    tight: list[list[float]] = field(default_factory=list)
    tight_cpu: list[list[float]] = field(default_factory=list)  # the same calls in processor time
    paced: list[list[float]] = field(default_factory=list)
    batch_tight: list[list[float]] = field(default_factory=list)  # a voice of sixteen
    batch_paced: list[list[float]] = field(default_factory=list)
    packet: list[list[float]] = field(default_factory=list)
    cpu_pct: list[float] = field(default_factory=list)
    pss_mb: dict[str, float] | None = None
    start_ms: float | None = None
    quality: dict[str, float] = field(default_factory=dict)
    streams: dict[str, int | None] | None = None
    late_ms: list[float] = field(default_factory=list)  # what fed it, at worst, in each window of packets or voices

    def as_json(self, shares: Sequence[int]) -> dict[str, Any]:
        """The same keys for every contender, inner ones too; null where nothing was measured. shares: voices a process."""
        held = {str(share): (self.streams or {}).get(str(share)) for share in shares}
        return {
            "denoiser": self.name,
            "latency_samples": self.latency,
            "tight_ms": quantiles(self.tight),
            "paced_ms": quantiles(self.paced),
            "packet_ms": quantiles(self.packet),
            "cpu_pct": rounded(statistics.median(self.cpu_pct), 2) if self.cpu_pct else None,
            "pss_mb": self.pss_mb or {"first": None, "further": None},
            "start_ms": self.start_ms,
            "si_sdr_gain_db": rounded(self.quality["si_sdr_gain_db"], 2),
            "pesq": rounded(self.quality["pesq"], 3),
            "stoi": rounded(self.quality["stoi"], 4),
            "streams_per_core": held,
        }


def quantiles(rounds: Sequence[Sequence[float]]) -> dict[str, float | None]:
    """The medians of the rounds' own quantiles; None where no round has anything."""
    kept = [each for each in rounds if len(each)]
    found = {name: [float(np.quantile(each, share)) for each in kept] for name, share in (("p50", 0.5), ("p99", 0.99))}
    return {name: round(statistics.median(values), 4) if values else None for name, values in found.items()}
