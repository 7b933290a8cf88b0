"""A session description as sections of attributes (RFC 8866). Text only; whatever is malformed is a `BadOffer`."""

import re
from collections.abc import Sequence

from sfu.errors import BadOffer, NoOpus

MOST_MEDIA = 64  # each costs a part of the answer

_LINE_END = re.compile(r"\r\n|\r|\n")
_MEDIA = re.compile(r"(audio|video|application|text|message|image) (\d{1,5})(?:/\d+)? ([!-~]+) ([!-~]+(?: [!-~]+)*)", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,64}")
_UFRAG = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")  # `=_-` are not in RFC 8839, but clients send them
_PASSWORD = re.compile(r"[A-Za-z0-9+/=_-]{22,256}")


class Section:
    """The lines of one part of a description, attributes by name. Lines that are no attributes are left out."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.attributes: dict[str, list[str]] = {}
        for line in lines:
            if line.startswith("a="):
                name, _, value = line[2:].partition(":")
                self.attributes.setdefault(name.strip(), []).append(value.strip())

    def all(self, name: str) -> list[str]:
        return self.attributes.get(name, [])

    def one(self, name: str) -> str | None:
        values = self.attributes.get(name)
        return values[0] if values else None


class Media(Section):
    """One m-line and what is below it."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(lines)
        parsed = _MEDIA.fullmatch(lines[0][2:].strip())
        if parsed is None:
            raise BadOffer("a media line cannot be understood")
        self.kind, port, self.protocol, self.formats = parsed.groups()
        self.offered = int(port) > 0 or "bundle-only" in self.attributes
        self.mid = self.one("mid")
        if self.mid is not None and not _TOKEN.fullmatch(self.mid):
            raise BadOffer("a mid is not a token")


def split_offer(text: str) -> tuple[Section, list[Media]]:
    """The session's part and one for each m-line. Raises NoOpus where there is no m-line, BadOffer where it is no SDP."""
    lines = lines_of(text)
    if not lines or not lines[0].startswith("v=0"):
        raise BadOffer("this does not begin like SDP")
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise NoOpus()
    if len(starts) > MOST_MEDIA:
        raise BadOffer(f"more than {MOST_MEDIA} media sections")
    ends = [*starts[1:], len(lines)]
    return Section(lines[: starts[0]]), [Media(lines[start:end]) for start, end in zip(starts, ends, strict=True)]


def lines_of(text: str) -> list[str]:
    """The lines that are not empty. Raises BadOffer where one is no `x=…`."""
    lines = [line for line in _LINE_END.split(text) if line]
    if any(len(line) < 2 or line[1] != "=" for line in lines):
        raise BadOffer("a line is not of the form x=…")
    return lines


def check_credentials(ufrag: str | None, password: str | None) -> None:
    """Values of ice-ufrag and ice-pwd, None where there is none. Raises BadOffer where one is not well-formed."""
    if (ufrag is not None and not _UFRAG.fullmatch(ufrag)) or (password is not None and not _PASSWORD.fullmatch(password)):
        raise BadOffer("ice-ufrag or ice-pwd is not well-formed")
