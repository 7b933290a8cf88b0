"""A network of the bench's own, for a server that cannot be reached over 127.0.0.1: a namespace with nothing but this machine in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.support.namespaces import SETUP
from tests.support.running import ROOT

_INSIDE = "HUSHCAST_BENCH_NETWORK"


def inside() -> bool:
    """Is this process in such a network?"""
    return os.environ.get(_INSIDE) == "1"


def possible() -> bool:
    """Can one be made? It takes root, `unshare` and `ip`."""
    if os.geteuid() or not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(["unshare", "--net", "sh", "-c", SETUP], capture_output=True, check=False).returncode == 0


def enter(module: str, arguments: Sequence[str]) -> None:
    """Start this process anew in a network of its own, which ends with it. Returns only where none can be made."""
    if not inside() and possible():
        command = ["unshare", "--net", "sh", "-c", f'{SETUP} && exec "$@"', "sh", sys.executable, "-P", "-m", module, *arguments]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))  # -P leaves out the folder we are in
        os.execvpe("unshare", command, {**os.environ, _INSIDE: "1", "PYTHONPATH": path})
