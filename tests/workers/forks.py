"""Forks of a process that has DeepFilterNet3 loaded, each of which runs it: `python -m tests.workers.forks GRAPH COUNT`.

Prints {"same": forks that gave the parent's bytes, "statuses", "parent_same", "fds", "threads", "kb"}, the last three before and after.
"""

import gc
import json
import os
import sys
from pathlib import Path

import numpy as np

from workers.denoiser import BLOCK, Denoiser
from workers.forkserver.loaded import Loaded, native_threads

AT_ONCE = 10
HOPS = 8  # the first ones of a voice are silence


def cleaned(denoiser: Denoiser) -> bytes:
    """What becomes of the first hops of a voice."""
    voice, noise = denoiser.open(), np.random.default_rng(1).normal(0, 0.1, (HOPS, 1, BLOCK)).astype(np.float32)
    return b"".join(denoiser.clean([voice], hop).tobytes() for hop in noise)


def forked(denoiser: Denoiser) -> tuple[int, int]:
    """A child that runs it: its pid, and where its bytes come from."""
    far, near = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(near, cleaned(denoiser))  # less than a pipe holds
            code = 0
        finally:
            os._exit(code)
    os.close(near)
    return pid, far


def held() -> tuple[int, int, int]:
    """Descriptors, threads, and resident memory in kB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), native_threads(), pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main() -> None:
    loaded = Loaded()
    denoiser = loaded.get("deepfilternet3", {"graph": sys.argv[1]})
    assert loaded.why_no_fork() is None, loaded.why_no_fork()
    wanted = cleaned(denoiser)
    assert np.abs(np.frombuffer(wanted, np.float32)).max() > 1e-4
    same, statuses = 0, set()
    gc.collect()
    before = held()
    for _ in range(int(sys.argv[2]) // AT_ONCE):
        for pid, far in [forked(denoiser) for _ in range(AT_ONCE)]:
            with open(far, "rb") as pipe:
                same += pipe.read() == wanted
            statuses.add(os.waitpid(pid, 0)[1])
    gc.collect()
    after = held()
    parent_same = cleaned(denoiser) == wanted
    pairs = dict(zip(("fds", "threads", "kb"), zip(before, after, strict=True), strict=True))
    print(json.dumps({"same": same, "statuses": sorted(statuses), "parent_same": parent_same, **pairs}))


if __name__ == "__main__":
    main()
