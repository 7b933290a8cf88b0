"""What this machine can carry: the cores that this process may use, the cost of one denoised voice, and the voices admitted.

Pure policy: workers and the server report their processor time. The load average is not read: other processes contribute to it.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

FULL = 0.85  # share of the cores that may be reserved; the rest is for the kernel and for bursts
ROOMY = 0.4  # share of the cores, and of the server loop's one core, below which new broadcasters may use short packets
CROWDED = 0.5  # the same, from which on broadcasters have to use usual packets
_SHORT_PACKETS_FACTOR = 2  # the most that all voices would cost with short packets, in proportion
UNKNOWN_COST = 0.05  # cores a voice, until its denoiser has been measured; DeepFilterNet3 takes 0.03 to 0.12
LEAST_COST = 0.005
HOP_S = 0.01
_WEIGHT = 0.2  # of the newest measurement
_SERVER_WINDOW_S = 2.0
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def allowed_cores(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> float:
    """Return the cores that this process may use: its affinity, or the smallest CPU quota of its control group and all parents.

    cgroups: where the control groups are mounted, version 1 or 2; membership: the file that names the groups of this process.
    """
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quotas = (_quota(folder) for folder in _groups(cgroups, membership))
    return min([cores, *(quota for quota in quotas if quota is not None)])


def _groups(cgroups: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders that may hold a CPU quota of this process: the root first, then each group down to its own."""
    yield cgroups
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # another system
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        folder = cgroups / controllers  # version 2 names no controllers
        yield folder
        parts = PurePosixPath(group).parts[1:]
        for part in () if ".." in parts else parts:  # "..": outside of what is mounted here
            folder = folder / part
            yield folder


def _quota(folder: Path) -> float | None:
    """The quota of one control group in cores; None: it has none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()[:2]
        else:
            quota, period = (folder / "cpu.cfs_quota_us").read_text(), (folder / "cpu.cfs_period_us").read_text()
        cores = int(quota) / int(period)
        return cores if cores > 0 else None  # version 1 writes -1 for none
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no such group here
        return None


class Capacity:
    """One for all broadcasts. An admitted voice counts at its denoiser's cost even while silent: speech may begin at any moment."""

    def __init__(self, cores: float | None = None, heaviness: Mapping[str, float] | None = None) -> None:
        """heaviness: for denoisers known to cost many times UNKNOWN_COST, that factor; used until they have been measured."""
        self.cores = allowed_cores() if cores is None else cores
        self._heaviness = dict(heaviness or {})
        self._costs: dict[str, float] = {}  # cores a voice, by denoiser
        self._voices: dict[object, str] = {}  # admitted voice -> denoiser
        self._server = 0.0  # cores that the server process takes
        self._seen: tuple[float, float] | None = None

    def cost(self, denoiser: str) -> float:
        """Cores that one voice takes."""
        known = self._costs.get(denoiser)
        return UNKNOWN_COST * self._heaviness.get(denoiser, 1.0) if known is None else known

    @property
    def taken(self) -> float:
        """Cores in use by the server or reserved for voices."""
        return self._server + sum(map(self.cost, self._voices.values()))

    @property
    def roomy(self) -> bool:
        """Whether a voice may use short packets: they are twice as many, and workers batch fewer of them."""
        return self._within(ROOMY)

    @property
    def crowded(self) -> bool:
        """Whether voices with short packets have to change to usual ones."""
        return not self._within(CROWDED)

    @property
    def spacious(self) -> bool:
        """Whether it would be roomy even if all voices used short packets."""
        return self._within(ROOMY / _SHORT_PACKETS_FACTOR)

    def _within(self, share: float) -> bool:
        return self._server <= share and self.taken <= share * self.cores

    def admits(self, voice: object, denoiser: str) -> bool:
        """Whether there is room for this voice with this denoiser. An admitted voice needs room only for what the change costs more.

        A single voice is always admitted; the overload guard watches it.
        """
        if not self._voices.keys() - {voice}:
            return True
        has = self.cost(self._voices[voice]) if voice in self._voices else 0.0
        more = self.cost(denoiser) - has
        return (voice in self._voices and more <= 0) or self.taken + more <= FULL * self.cores

    def reserve(self, voice: object, denoiser: str) -> None:
        """Count this voice at this denoiser's cost, instead of another denoiser's if it had one."""
        self._voices[voice] = denoiser

    def release(self, voice: object) -> None:
        """Count this voice no longer. Idempotent."""
        self._voices.pop(voice, None)

    def measured(self, denoiser: str, cpu_s: float, hops: int) -> None:
        """A worker spent `cpu_s` seconds of processor time, Opus included, on `hops` hops of one voice."""
        cost = max(cpu_s / (hops * HOP_S), LEAST_COST)
        known = self._costs.get(denoiser)
        self._costs[denoiser] = cost if known is None else known + _WEIGHT * (cost - known)

    def watch_server(self, now_s: float, cpu_s: float) -> None:
        """Take the server's total processor time so far. May be called as often as wanted."""
        if self._seen is None:
            self._seen = (now_s, cpu_s)
            return
        passed_s, spent_s = now_s - self._seen[0], cpu_s - self._seen[1]
        if passed_s >= _SERVER_WINDOW_S:
            self._server += _WEIGHT * (spent_s / passed_s - self._server)
            self._seen = (now_s, cpu_s)
