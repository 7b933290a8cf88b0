"""What can go wrong with a file, in one line for the person at the terminal."""


class FileError(Exception):
    """A file cannot be read, is not all there, or cannot be written."""


class NoSound(FileError):
    """There is no sound track in it."""


def reason(error: Exception) -> str:
    """FFmpeg's or the system's own words, without their numbers and file names."""
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
