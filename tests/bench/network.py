"""A network of the bench's own, for a server that cannot be reached over 127.0.0.1: a namespace with nothing but this machine in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.running import ROOT

ADDRESS = "192.0.2.1"  # of the documentation's range (RFC 5737); outside the namespace nobody has it
_INSIDE = "HUSHCAST_BENCH_NETWORK"
_SETUP = " && ".join(
    (
        "ip link set lo up",
        "ip link add hush0 type veth peer name hush1",
        f"ip addr add {ADDRESS}/24 dev hush0",
        "ip link set hush0 up",
        "ip link set hush1 up",
    )
)


def inside() -> bool:
    """Is this process in such a network?"""
    return os.environ.get(_INSIDE) == "1"


def possible() -> bool:
    """Can one be made? It takes root, `unshare` and `ip`."""
    if os.geteuid() or not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(["unshare", "--net", "sh", "-c", _SETUP], capture_output=True, check=False).returncode == 0


def enter(module: str, arguments: Sequence[str]) -> None:
    """Start this process anew in a network of its own, which ends with it. Returns only where none can be made."""
    if not inside() and possible():
        command = ["unshare", "--net", "sh", "-c", f'{_SETUP} && exec "$@"', "sh", sys.executable, "-P", "-m", module, *arguments]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))  # -P leaves out the folder we are in
        os.execvpe("unshare", command, {**os.environ, _INSIDE: "1", "PYTHONPATH": path})
