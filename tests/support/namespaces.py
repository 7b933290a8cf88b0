"""A network of a test's own: a namespace with a loopback and one interface, which ends with the process in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT

INTERFACE, ADDRESS = "hush0", "192.0.2.1"  # of the documentation's range (RFC 5737); outside the namespace nobody has it
SETUP = " && ".join(
    (
        "ip link set lo up",
        f"ip link add {INTERFACE} type veth peer name hush1",
        f"ip addr add {ADDRESS}/24 dev {INTERFACE}",
        f"ip link set {INTERFACE} up",
        "ip link set hush1 up",
    )
)


_OWN_NAMES = "mount --bind {folder}/hosts /etc/hosts && mount --bind {folder}/resolv.conf /etc/resolv.conf && "


def run_inside(module: str, *arguments: str, timeout_s: float, names: Path | None = None) -> str:
    """Run a module as a script in a network of its own; what it said. Fails the test where it fails or no namespace can be made.

    names: a folder; inside, names are asked of 127.0.0.1, port 53, which is the module's to answer.
    """
    if os.geteuid() or not (shutil.which("unshare") and shutil.which("ip")):
        pytest.fail("a network namespace takes root, unshare (util-linux) and ip (iproute2)")
    kinds, setup = ["--net"], SETUP
    if names is not None:
        (names / "hosts").write_text("127.0.0.1 localhost\n")
        (names / "resolv.conf").write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:2\n")
        kinds, setup = ["--net", "--mount"], _OWN_NAMES.format(folder=names) + SETUP
    command = ["unshare", *kinds, "sh", "-c", f'{setup} && exec "$@"', "sh", sys.executable, "-P", "-m", module, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=timeout_s, check=False)
    assert said.returncode == 0, f"{said.stdout}\n{said.stderr}"
    return said.stdout


def ip(*words: str) -> None:
    """`ip WORDS`, for the module inside."""
    subprocess.run(["ip", *words], check=True, capture_output=True)
