"""What happens to files on disks: each of these spoils the weights of a folder in its own way."""

import os
from pathlib import Path

from workers.weights import checkpoint


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
