"""How the commands are used, as far as it can be told before anything is installed for them. Readable by Python 3.8."""

from __future__ import annotations

from typing import Iterator, Sequence

# Capitals stand for any word, brackets for what may be left out; options may stand anywhere. Not here: commands whose options take
# values of their own, which they look at themselves.
FORMS = (
    "serve",
    "demo",
    "doctor",
    "denoise IN OUT",
    "user add NAME",
    "user passwd [--revoke] NAME",
    "user list",
    "user delete [--yes] NAME",
    "recordings trash",
    "recordings trash list",
    "recordings trash restore ID",
    "recordings trash empty [--yes]",
)
WITH_VALUES = ("denoise",)  # looked at only where no option is given
HELP = ("-h", "--help")


def wrong_usage(command: str, rest: Sequence[str]) -> str:
    """What to write instead of these words after a command; "" where nothing is wrong, or nothing can be told here."""
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
    return (word for word in form.split() if not word.startswith("["))


def _fits(form: str, given: Sequence[str], options: Sequence[str]) -> bool:
    wanted = list(_words(form))
    known = {word.strip("[]") for word in form.split() if word.startswith("[")}
    same = all(word == there or word.isupper() for word, there in zip(wanted, given))
    return len(wanted) == len(given) and same and set(options) <= known


def _shared(form: str, given: Sequence[str]) -> int:
    """With how many of the words that stand for themselves the given ones begin: the form that shares most was meant."""
    fixed = [word for word in _words(form) if not word.isupper()]
    return next((place for place, (word, there) in enumerate(zip(fixed, given)) if word != there), min(len(fixed), len(given)))
