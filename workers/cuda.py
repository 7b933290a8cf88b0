"""`python -m workers.cuda`: whether torch can use CUDA here. Exit 0, or 1 and one line that says why not. For a child: torch is heavy."""

import sys
from pathlib import Path

DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # NVIDIA's on Linux, and inside WSL
NO_DRIVER = "there is no NVIDIA driver on this machine"


def why_not() -> str | None:
    """Why this process cannot have CUDA; None: it can. torch is imported only where there is a driver."""
    return torchs_word() if any(driver.exists() for driver in DRIVERS) else NO_DRIVER


def torchs_word() -> str | None:
    """As `why_not`, driver or no driver."""
    import torch

    return None if torch.cuda.is_available() else f"torch {torch.__version__} finds no CUDA"


def main() -> int:
    objection = torchs_word()
    if objection is None:
        return 0
    print(objection, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
