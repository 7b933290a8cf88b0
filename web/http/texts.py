"""What a text may hold that is shown to others, or kept. Pure."""

import unicodedata

# What turns the order of the letters behind it round: embeddings, overrides and isolates, which hide what a text really says.
# The marks U+200E, U+200F and U+061C stay: they turn nothing but themselves, and Arabic and Hebrew are written with them.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control characters, line and paragraph separators (another line in a list of one line each), halves of surrogate pairs.
UNSHOWABLE = ("Cc", "Zl", "Zp", "Cs")
NO_PLAIN_TEXT = "must have no control characters and nothing that turns the writing round"


def is_storable(text: str) -> bool:
    """Whether a text can be written as UTF-8 (JSON can smuggle half a surrogate pair) and has no NUL."""
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def is_showable(text: str) -> bool:
    """Whether others may be shown a text: it stays on its line, and reads in the order in which it is written."""
    return not any(_is_unshowable(letter) for letter in text)


def is_blank(text: str) -> bool:
    """Whether nothing of a text is to be seen: spaces, joiners and the like only."""
    return all(unicodedata.category(letter)[0] in "ZC" for letter in text)


def showable(text: str) -> str:
    """The text with a question mark for whatever may not be shown."""
    return "".join("?" if _is_unshowable(letter) else letter for letter in text)


def _is_unshowable(letter: str) -> bool:
    return letter in TURNING or unicodedata.category(letter) in UNSHOWABLE
