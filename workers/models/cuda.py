"""`python -m workers.models.cuda`: whether torch can use CUDA here. Exit 0, or 1 and one line that says why not.

For a child in the Python that has torch. Everything else here is light: whether it is worth asking, and how.
"""

import sys
from pathlib import Path

from workers.extra_python import CUDA, MissingExtra, runner
from workers.pdeathsig import leave_with_parent
from workers.root import module_command

DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # NVIDIA's on Linux, and inside WSL
NO_DRIVER = "there is no NVIDIA driver on this machine"
COULD_HAVE = "DeepFilterNets run on the CPU: there is an NVIDIA GPU, but no packages of CUDA; to use it: python3 run.py install cuda"
NETS = frozenset({"deepfilternet3", "deepfilternet2", "deepfilternet2_ll"})  # that the engine has; others run as graphs, on the CPU
PATIENCE_S = 60.0  # torch is imported from a cold disk


class NoCuda(Exception):
    """CUDA is not to be had, or not worth a word: the text says why."""


def question(wanted: str, what: str) -> tuple[list[str], dict[str, str]]:
    """The command that asks torch, and its environment, where "cuda" or "auto" is wanted and the answer is open.

    Raises NoCuda where it is not, or MissingExtra, which says that `what` needs it.
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
