"""What the check after each test takes for left behind."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.leaks import RUN, snapshot

HOLD = """
import mmap, sys

with open(sys.argv[1], "x+b") as file:
    file.truncate(1000)
    held = mmap.mmap(file.fileno(), 1000)
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by(environment: dict[str, str]) -> Iterator[Path]:
    """Shared memory that a process with this environment has, and leaves behind."""
    memory = Path(f"/dev/shm/hushcast-test-{uuid.uuid4().hex}")
    with subprocess.Popen([sys.executable, "-c", HOLD, memory], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield memory
        finally:
            process.communicate()
            memory.unlink()


async def test_shared_memory() -> None:
    """What a process of this run has is left behind, and what nobody has; not what a process outside of this run has."""
    before = snapshot()
    with held_by(dict(os.environ)) as ours, held_by({**os.environ, RUN: "another"}) as anothers:
        orphan = ours.with_name(f"{ours.name}-orphan")
        orphan.touch()
        left = snapshot().gained_since(before, {"tasks", "children", "fds"})
        assert not snapshot().gained_since(before, {"tasks", "children", "fds", "memory"})
        orphan.unlink()
    assert {f"memory: {each.name}" for each in (ours, orphan)} <= set(left) and f"memory: {anothers.name}" not in left
