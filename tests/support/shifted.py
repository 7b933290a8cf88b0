"""Clocks of a real process that a test moves while it runs: all of them, as if time had passed, or the wall clock alone."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

from tests.conftest import missing_program
from tests.support.running import ROOT

SECOND = 1_000_000_000


class ShiftedClocks:
    """Owns the file that the processes with this `environment` read their clocks' shifts from. Linux, with a C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            missing_program("cc")
        library, file = folder / "shifted.so", folder / "shifts"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, ROOT / "tests" / "support" / "shifted.c"], check=True
        )
        file.write_bytes(bytes(16))
        self.environment = {"LD_PRELOAD": str(library), "SHIFTED_CLOCKS": str(file)}
        with file.open("r+b") as opened:
            self._shifts = mmap.mmap(opened.fileno(), 16)

    def close(self) -> None:
        self._shifts.close()

    def pass_s(self, seconds: float) -> None:
        """Time passes: all clocks go on."""
        self._add(0, seconds)

    def jump_s(self, seconds: float) -> None:
        """The wall clock is set."""
        self._add(8, seconds)

    def _add(self, place: int, seconds: float) -> None:
        (before,) = struct.unpack_from("=q", self._shifts, place)
        struct.pack_into("=q", self._shifts, place, before + round(seconds * SECOND))  # eight bytes in place: never half of them
