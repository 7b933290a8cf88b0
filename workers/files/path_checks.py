"""Checks before any work that IN, OUT and PLOT can be read and written, and that no other file is overwritten."""

import os
from pathlib import Path

from workers.files.errors import FileError, reason
from workers.files.output_formats import output_format


def check_places(noisy: Path, clean: Path, plot: Path | None) -> None:
    """Raises FileError where a name has the wrong ending, or two names are one file; OSError for an impossible name."""
    output_format(clean)
    if _same(clean, noisy):
        raise FileError(f"{clean} is the file to be read")
    _check_place(clean)
    if plot is None:
        return
    if plot.suffix.lower() != ".png":
        raise FileError(f"{plot}: the name of a plot has to end with .png")
    if _same(plot, noisy):
        raise FileError(f"{plot} is the file to be read; the plot has to be another")
    if _same(plot, clean):
        raise FileError(f"{plot} is the file to be written; the plot has to be another")
    _check_place(plot)


def through(path: Path) -> Path:
    """The path with symbolic links resolved, where a file of this name is written. Raises FileError."""
    if not path.is_symlink():
        return path
    try:
        path.stat()
    except FileNotFoundError:
        pass  # its target does not exist yet
    except OSError as error:
        raise FileError(f"{path} cannot be written: {reason(error)}") from error
    return Path(os.path.realpath(path))


def _check_place(path: Path) -> None:
    """Fail now rather than at the end. A folder or pipe of that name is not replaced."""
    place = through(path)
    if not place.parent.is_dir():
        raise FileError(f"{path} cannot be written: there is no folder {place.parent}")
    if place.exists() and not place.is_file():
        raise FileError(f"{path} cannot be written: what is there is no file")


def _same(one: Path, other: Path) -> bool:
    """Whether both names are, or would be, one file."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)
