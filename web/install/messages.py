"""What run.py says while it installs, and how it says that it cannot."""

from __future__ import annotations


class Failed(Exception):
    """Something could not be installed; the text is one line for the user."""

    touched = True  # whether the environment may have been changed by halves, so that it has to be made anew


def say(text: str) -> None:
    """One line about what is going on."""
    print("run.py: " + text, flush=True)
