"""Checks the words after a command before anything is installed for it. Python 3.8 must be able to run this."""

from __future__ import annotations

from typing import Iterator, Sequence

# Capitals stand for any word, brackets for an optional option; an option without them has to be there. Options may stand anywhere.
# Commands whose options take values check their words themselves.
FORMS = (
    "serve",
    "demo",
    "doctor",
    "bundle",
    "backup [--verify] FILE",
    "restore [--replace] [--files] FILE",
    "upgrade-check FOLDER",
    "upgrade VERSION",
    "upgrade --back [--set-aside]",
    "denoise IN OUT",
    "db copy",
    "user add NAME",
    "user passwd [--revoke] NAME",
    "user list",
    "user delete [--yes] NAME",
    "log audit",
    "recordings trash",
    "recordings trash list",
    "recordings trash restore ID",
    "recordings trash empty [--yes]",
)
WITH_VALUES = ("denoise", "db", "log")  # checked only where no option is given
HELP = ("-h", "--help")


def wrong_usage(command: str, rest: Sequence[str]) -> str:
    """How the command is written, where these words after it are wrong; "" where they are right or cannot be checked here."""
    forms = [form for form in FORMS if form.split()[0] == command]
    options = [word for word in rest if word.startswith("-")]
    if not forms or set(HELP) & set(options) or (options and command in WITH_VALUES):
        return ""
    given = [command] + [word for word in rest if not word.startswith("-")]
    if any(_fits(form, given, options) for form in forms):
        return ""
    nearest = max(_shared(form, given) for form in forms)
    return "this is written " + " or ".join(f"`run.py {form}`" for form in forms if _shared(form, given) == nearest)


def _words(form: str) -> Iterator[str]:
    return (word for word in form.split() if not word.startswith(("[", "--")))


def _fits(form: str, given: Sequence[str], options: Sequence[str]) -> bool:
    wanted = list(_words(form))
    needed = {word for word in form.split() if word.startswith("--")}
    known = needed | {word.strip("[]") for word in form.split() if word.startswith("[")}
    same = all(word == there or word.isupper() for word, there in zip(wanted, given))
    return len(wanted) == len(given) and same and needed <= set(options) <= known


def _shared(form: str, given: Sequence[str]) -> int:
    """How many of the form's fixed words the given ones begin with. The form that shares most is the one that was meant."""
    fixed = [word for word in _words(form) if not word.isupper()]
    return next((place for place, (word, there) in enumerate(zip(fixed, given)) if word != there), min(len(fixed), len(given)))
