"""The lines that run.py prints, and the error for an installation that failed."""

from __future__ import annotations


class Failed(Exception):
    """Something could not be installed; the text is one line for the user."""

    touched = True  # whether the environment may be half changed, and so has to be made again


def say(text: str) -> None:
    """Print one line about the progress."""
    print("run.py: " + text, flush=True)
