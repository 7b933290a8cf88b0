"""What a test may leave behind: nothing. Looks at tasks, child processes, descriptors and shared memory, before and after."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

RUN = "HUSHCAST_TEST_RUN"  # set in our environment, so that even an orphan's orphan is recognised
FOREIGN = ("/playwright/", "/pytest_asyncio/")  # their tasks live as long as the run
CHROMIUM = (".org.chromium.", ".com.google.Chrome.")  # its shared memory comes and goes while the browser lives


class Snapshot(NamedTuple):
    """What there is now: kind of thing -> its marks, each with words for the reader."""

    tasks: dict[Any, str]
    children: dict[Any, str]
    fds: dict[Any, str]
    memory: dict[Any, str]

    def gained_since(self, before: "Snapshot", tolerated: set[str]) -> list[str]:
        """What is here and was not there, without the kinds that are tolerated. Whose a shared memory is, is asked of a new one only."""
        return [
            f"{kind}: {words}"
            for kind in self._fields
            if kind not in tolerated
            for mark, words in getattr(self, kind).items()
            if mark not in getattr(before, kind) and not (kind == "memory" and _anothers(mark))
        ]


def snapshot(older_processes: frozenset[int] | None = None) -> Snapshot:
    """The state now. Descendants of `older_processes` (a browser that lives as long as the run) are not looked at; None: of no process."""
    return Snapshot(_tasks(), {} if older_processes is None else _children(older_processes), _fds(), _memory())


def processes() -> frozenset[int]:
    """Ids of the processes that this run has started and that live."""
    return frozenset(_children(frozenset()))


def source_of(task: "asyncio.Task[Any]") -> str:
    """File of the code that a task runs."""
    code = getattr(task.get_coro(), "cr_code", None) or getattr(task.get_coro(), "gi_code", None)
    return str(code.co_filename) if code is not None else ""


def _tasks() -> dict[Any, str]:
    running = asyncio.all_tasks() - {asyncio.current_task()}
    return {task: repr(task) for task in running if not any(part in source_of(task) for part in FOREIGN)}


def _children(older: frozenset[int]) -> dict[Any, str]:
    """Direct children, dead and not waited for included, and whatever else carries this run's mark."""
    found = {}
    for pid in {*_direct(), *_marked()}:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if pid in older or not older.isdisjoint(parent.pid for parent in process.parents()):
                continue
            found[pid] = f"{pid} ({process.status()}) {' '.join(process.cmdline()[:6])}"
    return found


def _direct() -> Iterator[int]:
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, children.read_text().split())


def _marked() -> Iterator[int]:
    mark = f"{RUN}={os.environ[RUN]}".encode()
    for name in os.listdir("/proc"):  # no pathlib here: this is asked before and after every test, of every process there is
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError), open(f"/proc/{name}/environ", "rb", buffering=0) as environ:
                if mark in environ.read().split(b"\0"):
                    yield int(name)


def _fds() -> dict[Any, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{number}")
            if not target.startswith("/dev/"):
                found[number, target] = f"{number} -> {target}"
    return {mark: words for mark, words in found.items() if "/proc/" not in mark[1]}  # the listing itself


def _anothers(name: str) -> bool:
    """Whether a living process that is not of this run has it: a test's beside this one, or whoever else's on this machine. What
    a browser has mapped takes milliseconds to read.

    `compileall` of an installation, say, holds five semaphores for as long as it works.
    """
    path, mark = f" /dev/shm/{name}\n".encode(), f"{RUN}={os.environ[RUN]}".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if int(pid) == os.getpid() or mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                continue
            if path in Path(f"/proc/{pid}/maps").read_bytes():
                return True
    return False


def _memory() -> dict[Any, str]:
    named = [name for name in os.listdir("/dev/shm") if not name.startswith(CHROMIUM)]
    mapped = (line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if "/memfd:" in line or " /dev/shm/" in line)
    return {name: name for name in (*named, *mapped)}
