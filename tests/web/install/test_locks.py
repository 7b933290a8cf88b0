"""The locks against setup.cfg: uv resolves the list for every Python and machine at once, and installs nothing."""

import configparser
import subprocess
from collections.abc import Mapping

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.running import ROOT
from web.install import locking
from web.install.platforms import MACHINES, refused
from web.install.pythons import VERSIONS
from web.install.stamps import SECTIONS, sections

HEAVY = {"torch", "deepfilternet", "deepfilterlib", "onnxscript", "sympy", "matplotlib", "pillow-heif", "networkx", "redis"}


@pytest.fixture(scope="module")
def setup() -> Mapping[str, Mapping[str, str]]:
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg", encoding="utf-8")
    return parsed


@pytest.fixture(scope="module")
def packages() -> list[locking.Package]:
    """What uv resolves setup.cfg to with the locked versions held, so that new releases change nothing."""
    return locking.resolved(locking.pins())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_lock_is_what_setup_cfg_resolves_to(packages: list[locking.Package], version: str) -> None:
    """The locks have what uv resolves setup.cfg to, for each machine. If this fails: `run.py install --lock`."""
    file = ROOT / "web" / "install" / "locks" / f"py{version.replace('.', '')}.txt"
    assert file.read_text() == locking.lock(version, packages)


def test_every_package_has_a_wheel(packages: list[locking.Package]) -> None:
    """Every package of the server has a wheel for each machine and Python, so nothing is compiled."""
    for version in VERSIONS:
        for machine in locking.MACHINES:
            for (name, _), package in locking.needed(version, packages, "base").items():
                wheels = [(wheel["url"].rsplit("/", 1)[-1], wheel["hash"]) for wheel in package["wheels"]]
                assert locking.best_wheel(version, machine, wheels), (name, version, machine)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_part_is_locked(version: str) -> None:
    """Each line has its hash; the reference is locked for 3.11 only; the base has nothing that only training or drawing needs."""
    locked = sections(version)
    parts = {name for part, names in SECTIONS.items() if part != "reference" or version == "3.11" for name in names}
    assert set(locked) == parts
    assert all("--hash=sha256:" in line for lines in locked.values() for line in lines)
    assert not {line.split("==")[0] for line in locked["base"]} & HEAVY


def test_a_list_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version without a wheel for one machine or Python ends the renewal: the numpy of 3.12 has none for 3.11."""
    pins = [pin for pin in locking.pins() if not pin.startswith("numpy==")]
    newest = next(line.split()[0] for line in sections("3.14")["base"] if line.startswith("numpy=="))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        locking.resolved([*pins, newest])
    assert "numpy" in failed.value.stderr


def test_setup_cfg_says_the_same_as_the_code(setup: Mapping[str, Mapping[str, str]]) -> None:
    """python_requires spans the Pythons that run.py looks for; every requirement is pinned; equal lists pin equal versions."""
    assert setup["options"]["python_requires"] == f">={VERSIONS[0]},<3.{int(VERSIONS[-1].split('.')[1]) + 1}"
    asked = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lists = [[Requirement(line) for line in text.splitlines() if line and not line.startswith("#")] for text in asked]
    assert all(str(each.specifier).startswith("==") for requirements in lists for each in requirements)
    versions: dict[str, set[str]] = {}
    for each in (each for requirements in lists for each in requirements if each.name != "numpy"):
        versions.setdefault(canonicalize_name(each.name), set()).add(str(each.specifier))
    assert all(len(found) == 1 for found in versions.values()), versions


def test_the_best_wheel_is_taken() -> None:
    """Wheels rank as for pip: of this Python before abi3 before pure, the newest glibc up to 2.28, none of another machine."""
    wheels = [(f"a-1-{tag}.whl", tag) for tag in (
        "py3-none-any", "cp311-abi3-manylinux_2_28_x86_64", "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-manylinux_2_34_x86_64", "cp312-cp312-musllinux_1_2_x86_64",
        "cp313-cp313-manylinux_2_28_x86_64", "cp312-cp312-macosx_11_0_arm64",
    )]  # fmt: skip
    assert locking.best_wheel("3.12", "linux x86-64", wheels) == "cp312-cp312-manylinux_2_28_x86_64"
    assert locking.best_wheel("3.14", "linux x86-64", wheels) == "cp311-abi3-manylinux_2_28_x86_64"
    assert locking.best_wheel("3.12", "linux aarch64", wheels) == "py3-none-any"
    assert locking.best_wheel("3.12", "macos arm64", wheels) == "cp312-cp312-macosx_11_0_arm64"
    assert locking.best_wheel("3.13", "linux aarch64", wheels[5:]) == ""


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (("linux", "x86_64", True, "glibc 2.36"), ""),
        (("linux", "aarch64", True, "glibc 2.28"), ""),
        (("darwin", "arm64", True, "macOS 26.1"), ""),
        (("darwin", "arm64", True, "macOS 15.7.2"), "the packages need macOS 26, and this is macOS 15.7.2: update it"),
        (("linux", "x86_64", True, ""), "the packages need glibc, and this system has another C library (musl?): take Debian"),
        (("linux", "x86_64", True, "glibc 2.17"), "the packages need glibc 2.28, and this system has glibc 2.17: take a newer release"),
        (("linux", "x86_64", False, "glibc 2.36"), "this Python is a 32-bit program, and the packages are 64-bit only: start run.py"),
        (("linux", "armv7l", False, "glibc 2.36"), "this Python is a 32-bit program"),
        (("linux", "riscv64", True, "glibc 2.39"), "there are packages for x86_64 and aarch64 only, and this machine is riscv64"),
        (("darwin", "x86_64", True, "macOS 26.1"), "there are packages for arm64 only, and this machine is x86_64"),
        (("win32", "AMD64", True, ""), "Hushcast runs on Linux and macOS, not on win32"),
    ],
)
def test_a_machine_without_packages_is_told(machine: tuple[str, str, bool, str], told: str) -> None:
    """An unsupported machine is refused in one line that says what to do."""
    line = refused(*machine)
    assert line.startswith(told) and bool(line) == bool(told) and "\n" not in line


def test_the_locks_are_for_the_machines_that_are_let_in() -> None:
    """The locks have exactly the machines that are not refused."""
    locked = {(markers["sys_platform"], markers["platform_machine"]) for markers, _ in locking.MACHINES.values()}
    assert locked == {(system, machine) for system, machines in MACHINES.items() for machine in machines}
