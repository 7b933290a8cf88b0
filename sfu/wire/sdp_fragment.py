"""Trickle fragments (RFC 8840): reads those of clients, and writes the answer to an ICE restart. Text only, no I/O."""

from typing import NamedTuple

from sfu.wire.candidates import candidate_lines
from sfu.wire.ice import Credentials
from sfu.wire.sdp import LocalDescription, Offer
from sfu.wire.sdp_parser import Section, check_credentials, lines_of


class Fragment(NamedTuple):
    """The ICE credentials in a trickle fragment, None where it has none. Candidates are ignored: an ICE-lite end needs none."""

    ufrag: str | None
    password: str | None


def parse_fragment(text: str) -> Fragment:
    """Raises BadOffer where it is malformed. Candidates in it are not checked."""
    section = Section(lines_of(text))
    ufrag, password = section.one("ice-ufrag"), section.one("ice-pwd")
    check_credentials(ufrag, password)
    return Fragment(ufrag, password)


def build_fragment(offer: Offer, local: LocalDescription, credentials: Credentials) -> str:
    """The answer to an ICE restart: new credentials, and the candidates of `local`."""
    mid = offer.audio.mid
    lines = [
        "a=ice-lite",
        f"a=ice-ufrag:{credentials.ufrag}",
        f"a=ice-pwd:{credentials.password}",
        f"m=audio 9 {offer.sections[offer.audio_at][1]} 0",
        *([] if mid is None else [f"a=mid:{mid}"]),
        *candidate_lines(local.candidates, local.over, local.by_web),
    ]
    return "\r\n".join(lines) + "\r\n"
