"""Refuses passwords that are guessed first: the most common ones, and the username with some digits."""

import ast
import importlib.util
import re
from pathlib import Path

from web.errors import WeakPassword

SHORTEST = 8  # shorter passwords are refused elsewhere
_LIST = re.compile(r'"passwords": ("[^"\\]*(?:\\.[^"\\]*)*")\.split\(","\)')  # a Python string
_END = "\n"  # of a word; none is in a word


class WeakPasswords:
    """The most common passwords as one text of 110 KB. Making it reads a file, so not on the loop; `check` is fast."""

    def __init__(self) -> None:
        self._common = _END.join(["", *(word for word in common_passwords() if len(word) >= SHORTEST), ""])

    def check(self, username: str, password: str, *fields: str) -> None:
        """Raises WeakPassword. fields: other names of the field in the request."""
        why = self._why(username.casefold(), password.casefold())
        if why is not None:
            raise WeakPassword(why, *fields)

    def _why(self, username: str, password: str) -> str | None:
        if _END not in password and f"{_END}{password}{_END}" in self._common:
            return "is one of the passwords that are tried first"
        if username in password and not any(letter.isalpha() for letter in password.replace(username, "")):
            return "must be more than your name and some digits"
        return None


def common_passwords() -> list[str]:
    """Some 30,000 passwords in lower case, the most common first: the frequency list of the package zxcvbn.

    Only the line of the list is parsed from the package's file. Executing the file takes 80 ms and fragments 5 MB of heap; importing
    the package takes 15 MB more.
    """
    package = importlib.util.find_spec("zxcvbn")
    assert package is not None and package.submodule_search_locations, "setup.cfg names it"
    file = Path(package.submodule_search_locations[0]) / "frequency_lists.py"
    found = _LIST.search(file.read_text("utf-8"))
    assert found is not None, f"{file} is not of the version that setup.cfg names"
    return str(ast.literal_eval(found[1])).split(",")
