"""What the machine can carry."""

import os
from pathlib import Path

import pytest

from sfu.denoise.capacity import FULL, UNKNOWN_COST, Capacity, allowed_cores

AFFINITY = float(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("told", "cores"), [("50000 100000\n", 0.5), ("max 100000\n", None), ("", None), ("1 0\n", None)])
def test_cores(tmp_path: Path, told: str, cores: float | None) -> None:
    """The quota of the control group counts where there is one."""
    (tmp_path / "cpu.max").write_text(told)
    assert allowed_cores(tmp_path, tmp_path / "nowhere") == (cores or AFFINITY)


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({"system.slice/hushcast.service": "25000 100000"}, 0.25),  # systemd's CPUQuota
        ({"system.slice": "20000 100000", "system.slice/hushcast.service": "max 100000"}, 0.2),  # of a parent
        ({"": "10000 100000", "system.slice/hushcast.service": "25000 100000"}, 0.1),
        ({"user.slice": "10000 100000"}, None),  # somebody else's
    ],
)
def test_quotas_of_nested_groups(tmp_path: Path, quotas: dict[str, str], cores: float | None) -> None:
    """The smallest quota of the process's own group and of all its parents counts."""
    for group, quota in quotas.items():
        (tmp_path / "tree" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / group / "cpu.max").write_text(f"{quota}\n")
    (tmp_path / "cgroup").write_text("0::/system.slice/hushcast.service\n")
    assert allowed_cores(tmp_path / "tree", tmp_path / "cgroup") == (cores or AFFINITY)


@pytest.mark.parametrize(("quota", "cores"), [("30000", 0.3), ("-1", None)])
def test_quotas_of_version_1(tmp_path: Path, quota: str, cores: float | None) -> None:
    """There each controller has a tree of its own, and -1 is no quota."""
    group = tmp_path / "cpu,cpuacct" / "docker" / "abc"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cgroup").write_text("5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n")
    assert allowed_cores(tmp_path, tmp_path / "cgroup") == (cores or AFFINITY)


def test_a_group_outside_of_what_is_mounted(tmp_path: Path) -> None:
    """Its path leads upwards: then only the root's quota can be read."""
    (tmp_path / "cpu.max").write_text("40000 100000\n")
    (tmp_path / "cgroup").write_text("0::/../other\n")
    assert allowed_cores(tmp_path, tmp_path / "cgroup") == 0.4


def test_room() -> None:
    """Voices are let in until their measured cost fills the cores; who leaves makes room."""
    capacity = Capacity(cores=1.0)
    capacity.reserve("first", "slow")
    capacity.measured("slow", cpu_s=0.3, hops=100)
    capacity.reserve("second", "slow")
    assert capacity.taken == pytest.approx(0.6)
    assert not capacity.admits("third", "slow")
    assert capacity.admits("second", "slow") and capacity.admits("third", "quick")
    capacity.reserve("second", "quick")
    assert capacity.taken == pytest.approx(0.3 + UNKNOWN_COST) and capacity.admits("third", "slow")
    capacity.release("first")
    capacity.release("first")
    assert capacity.taken == pytest.approx(UNKNOWN_COST)


def test_roomy_until_it_is_not() -> None:
    """Two fifths of the cores, or of the one that the server's loop can have, may be spoken for before anybody has to save."""
    capacity = Capacity(cores=2.0)
    capacity.measured("model", cpu_s=0.3, hops=100)
    for voice, roomy in (("first", True), ("second", True), ("third", False)):
        capacity.reserve(voice, "model")
        assert capacity.roomy is roomy
    capacity.release("third")
    assert capacity.roomy
    crowded = Capacity(cores=16.0)
    for second in range(100):
        crowded.watch_server(float(second), 0.5 * second)
    assert not crowded.roomy and crowded.admits("somebody", "model")


def test_the_first_gets_in() -> None:
    """However slow the machine, one voice is tried."""
    capacity = Capacity(cores=0.1)
    capacity.measured("slow", cpu_s=2, hops=100)
    assert capacity.admits("one", "slow")
    capacity.reserve("one", "slow")
    assert not capacity.admits("two", "slow")


def test_a_heavy_denoiser() -> None:
    """Before it has been measured it is counted at what it is known to weigh; afterwards at what it costs here."""
    capacity = Capacity(cores=1.0, heaviness={"heavy": 3.0})
    capacity.reserve("first", "heavy")
    assert capacity.taken == pytest.approx(3 * UNKNOWN_COST)
    capacity.measured("heavy", cpu_s=0.4, hops=100)
    assert capacity.taken == pytest.approx(0.4)


def test_a_heavier_one_needs_more_room() -> None:
    """Who is in may change to what costs no more, and to a heavier one where its difference fits; alone to anything."""
    capacity = Capacity(cores=1.0)
    capacity.measured("light", cpu_s=0.3, hops=100)
    capacity.measured("heavy", cpu_s=0.9, hops=100)
    capacity.reserve("first", "light")
    assert capacity.admits("first", "heavy")
    capacity.reserve("second", "light")
    assert not capacity.admits("first", "heavy") and capacity.admits("first", "light")
    capacity.reserve("first", "heavy")
    assert capacity.admits("first", "heavy") and capacity.admits("first", "light")


def test_measuring() -> None:
    """One odd measurement changes little, a lasting change all."""
    capacity = Capacity(cores=2.0)
    capacity.measured("model", 0.1, 100)
    capacity.measured("model", 0.6, 100)
    assert capacity.cost("model") == pytest.approx(0.2)
    for _ in range(50):
        capacity.measured("model", 0.6, 100)
    assert capacity.cost("model") == pytest.approx(0.6, rel=0.01)


def test_the_server_counts() -> None:
    """What the server itself takes is not given away."""
    capacity = Capacity(cores=1.0)
    for second in range(100):
        capacity.watch_server(float(second), 0.5 * second)
    assert capacity.taken == pytest.approx(0.5, rel=0.01)
    capacity.reserve("one", "model")
    capacity.measured("model", (FULL - 0.5) * 0.6, 100)
    assert not capacity.admits("two", "model")
