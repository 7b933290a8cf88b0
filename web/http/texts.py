"""Which texts can be stored, and which can be shown to other users. Pure."""

import unicodedata

# Bidirectional embeddings, overrides and isolates: they reorder the text behind them and can hide what it says.
# The marks U+200E, U+200F and U+061C are allowed: they reorder nothing else, and Arabic and Hebrew need them.
REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control characters, line and paragraph separators (each entry of a list has one line), lone surrogates.
UNSHOWABLE = ("Cc", "Zl", "Zp", "Cs")
NO_PLAIN_TEXT = "must have no control characters and none that reorder the text"


def is_storable(text: str) -> bool:
    """Whether a text is valid UTF-8 (JSON can hold a lone surrogate) and has no NUL."""
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def is_showable(text: str) -> bool:
    """Whether a text can be shown to others: on one line, in the order in which it is written."""
    return not any(_is_unshowable(letter) for letter in text)


def is_blank(text: str) -> bool:
    """Whether nothing of a text is visible: it has only spaces, joiners and the like."""
    return all(unicodedata.category(letter)[0] in "ZC" for letter in text)


def showable(text: str) -> str:
    """The text with a question mark for each character that may not be shown."""
    return "".join("?" if _is_unshowable(letter) else letter for letter in text)


def _is_unshowable(letter: str) -> bool:
    return letter in REORDERING or unicodedata.category(letter) in UNSHOWABLE
