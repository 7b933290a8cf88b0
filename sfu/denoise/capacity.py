"""What this machine can carry: the cores that it may use, what a denoised voice costs, and who has been let in.

Decides only; what it knows, workers and the server's own clock have told it. The load average is not asked: others make it too.
"""

import os
from collections.abc import Mapping
from pathlib import Path

FULL = 0.85  # of the cores: the rest is the kernel's, and for bursts
ROOMY = 0.4  # of the cores, and of the one that the server's loop has: up to there nobody has to save yet
CROWDED = 0.5  # of the same: from there on everybody has to
_BRIEF = 2  # what all would cost at most, in proportion, if it came in brief packets
UNKNOWN_COST = 0.05  # cores that one voice takes, until its denoiser has been measured; DeepFilterNet3 was seen at 0.03 to 0.12
LEAST_COST = 0.005
HOP_S = 0.01
_WEIGHT = 0.2  # of the newest measurement
_SERVER_WINDOW_S = 2.0


def allowed_cores(cgroup: Path = Path("/sys/fs/cgroup/cpu.max")) -> float:
    """Cores that this process may use: by its affinity, and by the quota of its control group where there is one."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = cgroup.read_text().split()[:2]
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # "max", another system, another version
        return cores


class Capacity:
    """One for all broadcasts. Who is let in is counted at the cost of the denoiser, silent or not: a voice may begin any moment."""

    def __init__(self, cores: float | None = None, heaviness: Mapping[str, float] | None = None) -> None:
        """heaviness: of denoisers that are known to cost many times UNKNOWN_COST, how many times: until they have been measured."""
        self.cores = allowed_cores() if cores is None else cores
        self._heaviness = dict(heaviness or {})
        self._costs: dict[str, float] = {}  # cores a voice, by denoiser
        self._voices: dict[object, str] = {}  # who is let in, with which denoiser
        self._server = 0.0  # cores that the server itself takes
        self._seen: tuple[float, float] | None = None

    def cost(self, denoiser: str) -> float:
        """Cores that one voice takes."""
        known = self._costs.get(denoiser)
        return UNKNOWN_COST * self._heaviness.get(denoiser, 1.0) if known is None else known

    @property
    def taken(self) -> float:
        """Cores that are spoken for."""
        return self._server + sum(map(self.cost, self._voices.values()))

    @property
    def roomy(self) -> bool:
        """Is so much free that a voice may come in brief packets? They are twice as many, and a worker has less of each at once."""
        return self._within(ROOMY)

    @property
    def crowded(self) -> bool:
        """Is so much taken that voices in brief packets have to go over to usual ones?"""
        return not self._within(CROWDED)

    @property
    def spacious(self) -> bool:
        """Would it be roomy even if all voices came in brief packets?"""
        return self._within(ROOMY / _BRIEF)

    def _within(self, share: float) -> bool:
        return self._server <= share and self.taken <= share * self.cores

    def admits(self, voice: object, denoiser: str) -> bool:
        """Is there room for it with this denoiser? Who is in stays in, but needs room for what another denoiser costs more.

        One alone always gets in, for the guard watches it.
        """
        if not self._voices.keys() - {voice}:
            return True
        has = self.cost(self._voices[voice]) if voice in self._voices else 0.0
        more = self.cost(denoiser) - has
        return (voice in self._voices and more <= 0) or self.taken + more <= FULL * self.cores

    def let_in(self, voice: object, denoiser: str) -> None:
        """Count it, or count it as another denoiser's."""
        self._voices[voice] = denoiser

    def let_go(self, voice: object) -> None:
        """Idempotent."""
        self._voices.pop(voice, None)

    def measured(self, denoiser: str, cpu_s: float, hops: int) -> None:
        """A worker spent `cpu_s` on so many hops of one voice, Opus included."""
        cost = max(cpu_s / (hops * HOP_S), LEAST_COST)
        known = self._costs.get(denoiser)
        self._costs[denoiser] = cost if known is None else known + _WEIGHT * (cost - known)

    def watch_server(self, now_s: float, cpu_s: float) -> None:
        """The server's own processor time so far; call it as often as you like."""
        if self._seen is None:
            self._seen = (now_s, cpu_s)
            return
        passed_s, spent_s = now_s - self._seen[0], cpu_s - self._seen[1]
        if passed_s >= _SERVER_WINDOW_S:
            self._server += _WEIGHT * (spent_s / passed_s - self._server)
            self._seen = (now_s, cpu_s)
