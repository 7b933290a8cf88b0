"""What happens to files on disks: each of these spoils the weights of a folder in its own way; and training, which is torch's."""

import os
import subprocess
from pathlib import Path

from tests.workers.offline import torch_python
from workers.weights.weights import checkpoint

LEARN = """
import sys, torch
file, change, zipped = sys.argv[1:]
learnt = torch.load(file, weights_only=True)
next(value for name, value in learnt.items() if name.endswith("weight_hh_l0"))[0, 0] += float(change)
torch.save(learnt, file, _use_new_zipfile_serialization=zipped == "True")
"""


def learn(folder: Path, change: float, zipped: bool = True) -> None:
    """Add to one weight of a GRU, as torch saves it: in its format of today, or in the one before."""
    command = [torch_python(), "-c", LEARN, checkpoint(folder), str(change), str(zipped)]
    subprocess.run(command, check=True, timeout=60)


def overwrite(folder: Path) -> None:
    with checkpoint(folder).open("r+b") as file:
        file.seek(1_000_000)
        file.write(os.urandom(5_000))


def flip(folder: Path) -> None:
    """The lowest bits of ten bytes, amid the numbers: torch does not notice."""
    with checkpoint(folder).open("r+b") as file:
        file.seek(400_000)
        there = file.read(10)
        file.seek(400_000)
        file.write(bytes(byte ^ 1 for byte in there))


def truncate(folder: Path) -> None:
    with checkpoint(folder).open("r+b") as file:
        file.truncate(5_000_000)


def empty(folder: Path) -> None:
    checkpoint(folder).write_bytes(b"")


SPOILERS = (overwrite, flip, truncate, empty)
