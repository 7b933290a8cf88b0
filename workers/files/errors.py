"""Errors of sound files, each one line for the terminal."""


class FileError(Exception):
    """A file cannot be read, is incomplete, or cannot be written."""


class NoSound(FileError):
    """There is no sound track in it."""


def reason(error: Exception) -> str:
    """FFmpeg's or the system's message, without numbers and file names."""
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
