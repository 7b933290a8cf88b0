"""Waits until what was written would outlast a power failure."""

import os
from pathlib import Path


def on_disk(place: Path) -> None:
    """Wait until a file's content, or a folder's names, would outlast a power failure. Raises OSError. Not for the loop."""
    handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
