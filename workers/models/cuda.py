"""`python -m workers.models.cuda`: whether torch can use CUDA here. Exit status 0, or 1 and one line that says why not.

Runs as a child in the Python that has torch. The rest of this module is light: whether to ask, and how.
"""

import sys
from pathlib import Path

from workers.extra_python import CUDA, MissingExtra, runner
from workers.pdeathsig import leave_with_parent
from workers.root import module_command

DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # NVIDIA's on Linux, and inside WSL
NO_DRIVER = "there is no NVIDIA driver on this machine"
COULD_HAVE = "DeepFilterNets run on the CPU: there is an NVIDIA GPU, but no packages of CUDA; to use it: python3 run.py install cuda"
NETS = frozenset({"deepfilternet3", "deepfilternet2", "deepfilternet2_ll"})  # the models of the CUDA engine; others run as graphs on the CPU
PATIENCE_S = 60.0  # importing torch from a cold disk takes long


class NoCuda(Exception):
    """CUDA cannot be used; the text says why."""


def question(wanted: str, what: str) -> tuple[list[str], dict[str, str]]:
    """The command that asks torch, and its environment, for the setting "cuda" or "auto".

    Raises NoCuda where there is no driver, or MissingExtra, whose text says that `what` needs torch.
    """
    has_driver = any(driver.exists() for driver in DRIVERS)
    if wanted == "auto" and not has_driver:
        raise NoCuda(NO_DRIVER)
    try:
        python, environment = runner(what, (CUDA,))
    except MissingExtra as missing:
        raise missing if has_driver else MissingExtra(what, CUDA, f"; and {NO_DRIVER}") from missing
    if not has_driver:
        raise NoCuda(NO_DRIVER)
    return module_command("workers.models.cuda", python=python), environment


def main() -> int:
    leave_with_parent()
    import torch

    if torch.cuda.is_available():
        return 0
    print(f"torch {torch.__version__} finds no CUDA", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
