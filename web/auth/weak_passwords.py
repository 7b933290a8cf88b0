"""Which passwords are guessed first: those that most people have, and one's own name."""

import ast
import importlib.util
import re
from pathlib import Path

from sfu.errors import BadRequest

SHORTEST = 8  # what is shorter is refused anyway
_LIST = re.compile(r'"passwords": ("[^"\\]*(?:\\.[^"\\]*)*")\.split\(","\)')  # a Python string
_END = "\n"  # of a word; none is in a word


class WeakPassword(BadRequest):
    """This password is guessed at once. Says why under `errors.password`, and under each of `fields`."""

    code = "weak_password"

    def __init__(self, why: str, *fields: str) -> None:
        super().__init__(dict.fromkeys(("password", *fields), why))
        self.detail = f"The password {why}."


class WeakPasswords:
    """Knows the passwords that are most common, as one text of 110 KB. Reading the list is not for the loop; asking is."""

    def __init__(self) -> None:
        self._common = _END.join(["", *(word for word in common_passwords() if len(word) >= SHORTEST), ""])

    def check(self, username: str, password: str, *fields: str) -> None:
        """Raises WeakPassword. `fields`: what else the request calls it."""
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
    """Some 30,000, in small letters, the most common first: the frequency list of the package zxcvbn.

    The one line is read out of the file of lists. To run the file takes 80 ms and leaves 5 MB of holes in the heap; importing the
    package makes tables of all it has, 15 MB more.
    """
    package = importlib.util.find_spec("zxcvbn")
    assert package is not None and package.submodule_search_locations, "setup.cfg names it"
    file = Path(package.submodule_search_locations[0]) / "frequency_lists.py"
    found = _LIST.search(file.read_text("utf-8"))
    assert found is not None, f"{file} is not of the version that setup.cfg names"
    return str(ast.literal_eval(found[1])).split(",")
