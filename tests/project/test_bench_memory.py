"""What the bench calls a process's memory."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench import meters
from tests.bench.memory import alone_mb

HOLDS = "import sys; held = b'x' * 20_000_000; print(len(held), flush=True); sys.stdin.read()"


@contextmanager
def holding() -> Iterator[int]:
    """A Python that holds 20 MB; its pid."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process.pid
        process.communicate()


def test_what_is_held_and_what_is_shared() -> None:
    """Memory of its own counts in full, what two of one server share by halves: never less than PSS, and together less than twice."""
    with holding() as first, holding() as second:
        one, both = alone_mb({"a": first}), alone_mb({"a": first, "b": second})
        assert 20 < both["a"] <= one["a"] + 0.5 and both["a"] + both["b"] < 2 * one["a"] + 0.5
        assert one["a"] >= meters.pss_mb([first]) - 0.5
