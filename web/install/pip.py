"""Runs pip, shows its progress in short, and explains its failures in a line each."""

from __future__ import annotations

import collections
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Sequence

from web.install.messages import Failed

LARGE_MB = 5
REPORT_EVERY_MB = 250  # of one file, where there is no terminal

# Settings of pip that would install elsewhere or not at all; they are removed. Others (index, proxy, cache) stay in force.
IGNORED_SETTINGS = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN")

# Prints where ensurepip has its pip: in its own folder, or where Debian puts it.
WHEELS = """
import ensurepip, pathlib, sysconfig
places = [pathlib.Path(ensurepip.__file__).parent / "_bundled", pathlib.Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or "/nowhere")]
print(*[wheel for place in places for wheel in sorted(place.glob("pip-*.whl"))], sep="\\n")
"""
# Pattern in pip's output -> what it means and what to do. The first match counts.
CAUSES = (
    (
        r"DO NOT MATCH THE HASHES|Hashes are required|HashMismatch",
        "a package came damaged or is not the one that was locked, so nothing of it was installed; start again, and if that does"
        " not help, do not trust the package index",
    ),
    (r"No space left on device|Errno 28\b|Disk quota exceeded", "the disk is full; make room and start again"),
    (
        r"Max retries exceeded|NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|Connection (?:aborted|reset|broken|refused)"
        r"|IncompleteRead|Temporary failure in name resolution|Network is unreachable|ProtocolError|incomplete-download",
        "the package index does not answer, or broke off; start again when it does, and what has come so far is used",
    ),
    (
        r"No matching distribution found",
        "the package index has no such package for this machine; the next start asks again",
    ),
    (r"Permission denied|Errno 13\b", "a folder is not writable for this user"),
)


class Pip:
    """The pip that installs into one environment: its own where it has one, else the one that came with its Python."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._lacks_replacement = False  # a package was removed and its replacement is not installed yet
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None
        # -I: pip would take packages in the current folder or on PYTHONPATH for installed ones
        isolated = [str(python), "-I"]
        own = subprocess.call([*isolated, "-c", "import pip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
        self._command = [*isolated, "-m", "pip"] if own else [*isolated, str(self._unpack())]
        # the environment's own pip is the locked one, which knows this option
        self._progress = ["--progress-bar=raw"] if own else []

    def close(self) -> None:
        """Remove the unpacked pip."""
        if self._unpacked is not None:
            self._unpacked.cleanup()

    def __enter__(self) -> Pip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def install(self, requirements: Sequence[str], optional: bool = False) -> bool:
        """Install these lines of a requirements file, without dependencies. Returns whether it worked.

        Raises Failed where it did not and is not optional.
        """
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder) / "requirements.txt"
            wanted.write_text("\n".join(requirements) + "\n")
            hashed = ["--require-hashes"] if all("--hash=" in line for line in requirements) else []
            worked = self._run(["install", "--no-deps", "--no-compile", *hashed, *self._progress, "-r", str(wanted)], optional=optional)
            self._lacks_replacement = self._lacks_replacement and not worked
            return worked

    def uninstall(self, name: str) -> None:
        """Remove a package, so that another build can replace it. Raises Failed."""
        self._lacks_replacement = True
        self._run(["uninstall", "--yes", name], optional=False)

    def _unpack(self) -> Path:
        """Unpack the wheel of pip that came with this Python; returns the folder to run. Raises Failed."""
        asked = subprocess.run([str(self._python), "-I", "-c", WHEELS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        wheels = asked.stdout.decode(errors="replace").split("\n")
        if asked.returncode or not wheels[0]:
            raise Failed("this Python has no pip to install with: on Debian `apt install python3-venv`, then start again")
        self._unpacked = tempfile.TemporaryDirectory()
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(self._unpacked.name)
        return Path(self._unpacked.name) / "pip"

    def _run(self, arguments: Sequence[str], optional: bool) -> bool:
        command = [*self._command, "--disable-pip-version-check", "--no-input", "--no-color", *arguments]
        last: collections.deque[str] = collections.deque(maxlen=15)
        output_lines: list[str] = []
        touched = self._lacks_replacement
        shown = _Progress()
        environment = {**{name: value for name, value in os.environ.items() if name not in IGNORED_SETTINGS}, "PIP_USER": "0"}
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
            close_fds=False,  # it inherits the lock, which outlives this process if it is killed
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                touched = touched or line.startswith(
                    ("Installing collected packages", "Attempting uninstall", "Found existing installation")
                )
                if not line.startswith("Progress "):
                    last.append(line.rstrip())
                    output_lines.append(line)
                shown.line(line)
        finally:
            process.stdout.close()
            status = process.wait()
            shown.end()
        if status and not optional:
            print("\n".join("  | " + line for line in last), file=sys.stderr)
            failure = Failed(cause("".join(output_lines)) + " (pip's last lines are above)")
            failure.touched = touched
            raise failure
        return status == 0


def cause(output: str) -> str:
    """What went wrong, by pip's output, and what to do."""
    for pattern, meaning in CAUSES:
        if re.search(pattern, output):
            return meaning
    return "pip could not install everything; the next start tries again"


class _Progress:
    """Shows pip's progress: on a terminal in one line that is rewritten, else only large files."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._name = ""
        self._next_mb = REPORT_EVERY_MB

    def line(self, line: str) -> None:
        """Take one line of pip's output."""
        progress = re.match(r"Progress (\d+) of (\d+)", line)
        if progress:
            self._progress(int(progress.group(1)) // 1_000_000, int(progress.group(2)) // 1_000_000)
            return
        step = re.match(r"(Collecting|Downloading|Using cached|Building wheel for|Installing collected packages)\b:? *(.*)", line.strip())
        if step is None:
            return
        self._name, self._next_mb = step.group(2).split(" (")[0], REPORT_EVERY_MB
        if self._terminal:
            self._rewrite(f"{step.group(1)} {step.group(2)}")
            return
        size = re.search(r"\(([\d.]+) MB\)", line)
        if step.group(1).startswith(("Building", "Installing")):
            print(f"  {step.group(1).lower()} {_short(step.group(2))}", flush=True)
        elif size and float(size.group(1)) >= LARGE_MB:
            print(f"  {step.group(2)}", flush=True)

    def end(self) -> None:
        """Clear the line of the terminal."""
        if self._terminal:
            sys.stdout.write("\r" + " " * 100 + "\r")

    def _progress(self, done_mb: int, of_mb: int) -> None:
        if self._terminal:
            self._rewrite(f"Downloading {self._name}: {done_mb} of {of_mb} MB")
        elif done_mb >= self._next_mb:
            self._next_mb = done_mb + REPORT_EVERY_MB
            print(f"  {self._name}: {done_mb} of {of_mb} MB", flush=True)

    def _rewrite(self, text: str) -> None:
        sys.stdout.write(f"\r  {text}"[:100].ljust(100))
        sys.stdout.flush()


def _short(names: str) -> str:
    listed = names.split(", ")
    return names if len(listed) < 4 else f"{', '.join(listed[:3])} and {len(listed) - 3} more"
