"""Renews the locks from setup.cfg: `python3 run.py install --lock`, for developers.

uv resolves setup.cfg once for all Pythons and machines. The lock of each Python names the packages that it needs, with the hash of the
best wheel for each machine. A locked version stays, unless setup.cfg no longer allows it.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Mapping, Sequence

from web.install.pythons import VERSIONS
from web.install.stamps import LOCKS, ROOT, sections

# Machine -> its environment markers, and the platform tags of its wheels, best first.
MACHINES: dict[str, tuple[dict[str, str], list[str]]] = {
    "linux x86-64": (
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
        [f"manylinux{kind}_x86_64" for kind in (*(f"_2_{minor}" for minor in range(28, 4, -1)), "2014", "2010", "1")],
    ),
    "linux aarch64": (
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
        [f"manylinux{kind}_aarch64" for kind in (*(f"_2_{minor}" for minor in range(28, 16, -1)), "2014")],
    ),
    "macos arm64": (
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
        [
            *(f"macosx_{major}_0_{kind}" for major in range(26, 10, -1) for kind in ("arm64", "universal2")),
            *(f"macosx_10_{minor}_universal2" for minor in range(16, 3, -1)),
        ],
    ),
}
CPYTHON = " and platform_python_implementation == 'CPython'"
ONLY_311 = ("reference",)  # deepfilterlib has no wheels after 3.11
Package = Dict[str, Any]  # an entry of uv.lock: name, version, dependencies, wheels ...


def main() -> int:
    """Write the locks and print which changed. Returns 1 where uv cannot resolve setup.cfg, else 0."""
    try:
        packages = resolved(pins())
    except subprocess.CalledProcessError as error:
        print(f"run.py install --lock: uv cannot resolve setup.cfg:\n{error.stderr}", file=sys.stderr)
        return 1
    for version in VERSIONS:
        text = lock(version, packages)
        file = LOCKS / f"py{version.replace('.', '')}.txt"
        previous = file.read_text() if file.exists() else ""
        file.write_text(text)
        print(f"{file.relative_to(ROOT)}: {'unchanged' if text == previous else 'written'}")
    return 0


def pins() -> list[str]:
    """The locked versions as requirements, each for its Python."""
    held = []
    for version in VERSIONS:
        for lines in sections(version).values():
            held += [f"{line.split()[0]} ; python_version == '{version}'" for line in lines]
    return sorted(set(held))


def resolved(held: Sequence[str]) -> list[Package]:
    """What uv resolves setup.cfg to with these requirements added. Raises CalledProcessError, with uv's output."""
    import tomllib  # Python 3.8 has none

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(_project(held))
        command = [sys.executable, "-m", "uv", "lock", "--quiet", "--python", sys.executable, "--project", folder]
        subprocess.run(command, check=True, capture_output=True, text=True)
        packages: list[Package] = tomllib.loads((Path(folder) / "uv.lock").read_text())["package"]
        return packages


def _project(held: Sequence[str]) -> str:
    """setup.cfg as the pyproject.toml that uv reads."""
    setup = configparser.ConfigParser()
    setup.read(str(ROOT / "setup.cfg"), encoding="utf-8")
    alone = [line.split("==") for line in _lines(setup["locks"]["without_dependencies"])]
    machines = [
        f"sys_platform == '{m['sys_platform']}' and platform_machine == '{m['platform_machine']}'{CPYTHON}" for m, _ in MACHINES.values()
    ]
    extras = "".join(f"{json.dumps(name)} = {json.dumps(_lines(text))}\n" for name, text in setup["options.extras_require"].items())
    metadata = "".join(
        f"[[tool.uv.dependency-metadata]]\nname = {json.dumps(n)}\nversion = {json.dumps(v)}\nrequires-dist = []\n" for n, v in alone
    )
    return (
        f"[project]\nname = 'hushcast'\nversion = '0'\nrequires-python = {json.dumps(setup['options']['python_requires'])}\n"
        f"dependencies = {json.dumps(_lines(setup['options']['install_requires']))}\n"
        f"[project.optional-dependencies]\n{extras}"
        f"[tool.uv]\nenvironments = {json.dumps(machines)}\nconstraint-dependencies = {json.dumps(list(held))}\n{metadata}"
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def lock(version: str, packages: Sequence[Package]) -> str:
    """The text of one lock: a section for each part, a line for each package."""
    parts = {part: needed(version, packages, part) for part in ("base", "test", "nodes", "acme", "torch", "cuda", "reference")}
    text = (
        f"# The packages of Hushcast on Python {version}: {', '.join(MACHINES)}.\n"
        "# Made from setup.cfg by `python3 run.py install --lock`; not to be edited.\n"
    )
    base = set(parts["base"])
    for part, found in parts.items():
        if part in ONLY_311 and version != "3.11":
            continue
        left_out = (set() if part == "base" else base) | (set(parts["torch"]) if part in ("cuda", "reference") else set())
        text += f"\n# [{part}]\n"
        for key in sorted(set(found) - left_out):
            package = found[key]
            hashes = sorted(set(_hashes(version, package)))
            text += f"{package['name']}=={package['version']} {' '.join('--hash=' + each for each in hashes)}\n"
    return text


def needed(version: str, packages: Sequence[Package], part: str) -> dict[tuple[str, str], Package]:
    """The packages of a part on all machines together. "torch": torch, and what it needs on Linux only, which is CUDA."""
    if part == "torch":
        there = [dict(_walk(version, machine, packages, [{"name": "torch"}])) for machine in ("linux x86-64", "linux aarch64")]
        elsewhere = dict(_walk(version, "macos arm64", packages, [{"name": "torch"}]))
        return {key: each for found in there for key, each in found.items() if key not in elsewhere or each["name"] == "torch"}
    [ours] = [package for package in packages if package["name"] == "hushcast"]
    asked = ours["dependencies"] if part == "base" else ours["optional-dependencies"][part]
    found: dict[tuple[str, str], Package] = {}
    for machine in MACHINES:
        found.update(_walk(version, machine, packages, _applicable(asked, version, machine)))
    return found


def _walk(
    version: str, machine: str, packages: Sequence[Package], first: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[tuple[str, str], Package]]:
    """(name and version, package) of `first` and of all their dependencies on one machine."""
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    waiting: list[Mapping[str, Any]] = list(first)
    while waiting:
        asked = waiting.pop()
        package, extras = _package_for(packages, asked, version, machine), tuple(asked.get("extra", ()))
        key = (package["name"], package["version"])
        if (*key, extras) in seen:
            continue
        seen.add((*key, extras))
        yield key, package
        for names in (package.get("dependencies", ()), *(package.get("optional-dependencies", {}).get(extra, ()) for extra in extras)):
            waiting += _applicable(names, version, machine)


def _package_for(packages: Sequence[Package], asked: Mapping[str, Any], version: str, machine: str) -> Package:
    """The package of this name; of several versions the one for this Python and machine."""
    for package in packages:
        if package["name"] == asked["name"] and asked.get("version", package["version"]) == package["version"]:
            markers = package.get("resolution-markers", ())
            if not markers or any(_marker_applies(marker, version, machine) for marker in markers):
                return package
    raise LookupError(f"{asked['name']} on Python {version}, {machine}")


def _applicable(dependencies: Iterable[Mapping[str, Any]], version: str, machine: str) -> list[Mapping[str, Any]]:
    return [each for each in dependencies if "marker" not in each or _marker_applies(each["marker"], version, machine)]


def _marker_applies(marker: str, version: str, machine: str) -> bool:
    from packaging.markers import Marker

    python = {"python_version": version, "python_full_version": f"{version}.0", "implementation_name": "cpython"}
    return Marker(marker).evaluate(
        {**MACHINES[machine][0], **python, "os_name": "posix", "platform_python_implementation": "CPython", "extra": ""}
    )


def _hashes(version: str, package: Package) -> Iterator[str]:
    """The hash of the best wheel for each machine; of the source where the package has no wheels."""
    wheels = package.get("wheels", [])
    if not wheels:
        yield package["sdist"]["hash"]
    for machine in MACHINES:
        best = best_wheel(version, machine, [(wheel["url"].rsplit("/", 1)[-1], wheel["hash"]) for wheel in wheels])
        if best:
            yield best


def best_wheel(version: str, machine: str, wheels: Iterable[tuple[str, str]]) -> str:
    """wheels: (file name, hash). Returns the hash of the wheel that pip would choose; "" where none fits."""
    from packaging.tags import compatible_tags, cpython_tags
    from packaging.utils import parse_wheel_filename

    major, minor = (int(part) for part in version.split("."))
    platforms = MACHINES[machine][1]
    tags = [*cpython_tags((major, minor), platforms=platforms), *compatible_tags((major, minor), f"cp{major}{minor}", platforms)]
    rank = {tag: place for place, tag in reversed(list(enumerate(tags)))}
    ranked = [(min((rank[tag] for tag in parse_wheel_filename(name)[3] if tag in rank), default=None), digest) for name, digest in wheels]
    return min(((place, digest) for place, digest in ranked if place is not None), default=(0, ""))[1]


if __name__ == "__main__":
    sys.exit(main())
