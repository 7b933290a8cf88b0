"""Splits a session description into sections with attributes (RFC 8866). Text only; anything malformed raises BadOffer."""

import re
from collections.abc import Sequence

from sfu.errors import BadOffer, NoOpus

MAX_MEDIA_SECTIONS = 64  # each makes the answer longer

_LINE_END = re.compile(r"\r\n|\r|\n")
_MEDIA = re.compile(r"([!-~]+) (\d{1,5})(?:/\d+)? ([!-~]+) ([!-~]+(?: [!-~]+)*)", re.ASCII)
_STRIPPED = " \t\f\v\ufeff\0"  # around lines: blanks, a byte order mark, the zero byte at the end of a C string
_QUOTED_LENGTH = 40  # characters of a line that an error shows
_TOKEN = re.compile(r"[!-~]{1,64}")
_UFRAG = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")  # `=_-` are not in RFC 8839, but clients send them
_PASSWORD = re.compile(r"[A-Za-z0-9+/=_-]{22,256}")


class Section:
    """One part of a description: its attributes by name. Other lines are left out."""

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
        parsed = _MEDIA.fullmatch(" ".join(lines[0][2:].split()))
        if parsed is None:
            raise BadOffer(f"{quoted(lines[0])} is not of the form m=audio 9 UDP/TLS/RTP/SAVPF 111")
        self.kind, port, self.protocol, self.formats = parsed.groups()
        self.offered = int(port) > 0 or "bundle-only" in self.attributes
        self.mid = self.one("mid")
        if self.mid is not None and not _TOKEN.fullmatch(self.mid):
            raise BadOffer(f"{quoted(f'a=mid:{self.mid}')} is not a token")


def split_offer(text: str) -> tuple[Section, list[Media]]:
    """The session-level section and one for each m-line. Raises NoOpus where there is no m-line, BadOffer where it is no SDP."""
    lines = lines_of(text)
    if not lines or not lines[0].startswith("v=0"):
        raise BadOffer(f"this does not begin like SDP, with v=0, but with {quoted(lines[0])}" if lines else "this is empty, and no SDP")
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise NoOpus()
    if len(starts) > MAX_MEDIA_SECTIONS:
        raise BadOffer(f"more than {MAX_MEDIA_SECTIONS} media sections")
    ends = [*starts[1:], len(lines)]
    return Section(lines[: starts[0]]), [Media(lines[start:end]) for start, end in zip(starts, ends, strict=True)]


def lines_of(text: str) -> list[str]:
    """The lines that are not blank, stripped. Raises BadOffer, with the line, where one is not of the form `x=…`."""
    lines = []
    for number, line in enumerate(_LINE_END.split(text), 1):
        stripped = line.strip(_STRIPPED)
        if stripped and (len(stripped) < 2 or stripped[1] != "="):
            raise BadOffer(f"line {number}, {quoted(stripped)}, is not of the form x=…")
        if stripped:
            lines.append(stripped)
    return lines


def quoted(line: str) -> str:
    """A line for an error message, in ASCII and shortened."""
    return ascii(line if len(line) <= _QUOTED_LENGTH else line[: _QUOTED_LENGTH - 1] + "…")


def check_credentials(ufrag: str | None, password: str | None) -> None:
    """Check the values of ice-ufrag and ice-pwd, None where absent. Raises BadOffer where one is malformed."""
    if ufrag is not None and not _UFRAG.fullmatch(ufrag):
        raise BadOffer(f"{quoted(f'a=ice-ufrag:{ufrag}')} is not well-formed")
    if password is not None and not _PASSWORD.fullmatch(password):
        raise BadOffer("a=ice-pwd is not well-formed")
