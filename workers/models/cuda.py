"""`python -m workers.models.cuda`: whether torch can use CUDA here. Exit status 0, or 1 and one line that says why not.

Runs as a child in the Python that has torch. The rest of this module is light: whether to ask, how, and what follows from the answer.
The server asks on its event loop, a command blocks; `device_of` decides for both.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from workers.errors import WorkerFailed
from workers.extra_python import CUDA, MissingExtra, runner
from workers.pdeathsig import leave_with_parent
from workers.root import module_command

CHOICES = ("auto", "cpu", "cuda")  # of a device
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # NVIDIA's on Linux, and inside WSL
NO_DRIVER = "there is no NVIDIA driver on this machine"
COULD_HAVE = "DeepFilterNets run on the CPU: there is an NVIDIA GPU, but no packages of CUDA; to use it: python3 run.py install cuda"
NETS = frozenset({"deepfilternet3", "deepfilternet2", "deepfilternet2_ll"})  # the models of the CUDA engine; others run as graphs on the CPU
PATIENCE_S = 60.0  # importing torch from a cold disk takes long


class NoCuda(WorkerFailed):
    """CUDA cannot be used; the text says why."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="no_cuda")


def device_of(wanted: str, what: str, why_not: WorkerFailed | None, say: Callable[[str], object]) -> str:
    """Return "cpu" or "cuda", where `wanted` is one of CHOICES. Raises NoCuda and MissingExtra where "cuda" is not available.

    what: the setting and "cuda", for the error. why_not: NoCuda or MissingExtra; None where CUDA can be used, or for "cpu".
    say: called with a line for a person where "auto" finds a GPU, but no torch.
    """
    if wanted == "cpu":
        return "cpu"
    if why_not is None:
        return "cuda"
    if wanted == "cuda":
        raise NoCuda(f"{what} is not available: {why_not}; use auto or cpu") if isinstance(why_not, NoCuda) else why_not
    if isinstance(why_not, MissingExtra):
        say(COULD_HAVE)
    return "cpu"


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
