"""Offers and local descriptions as values (RFC 8866, 8829, 9725): `offer` reads text, `answer` and `sdp_fragment` write it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["publish", "subscribe"]
Setup = Literal["active", "passive"]
Protocol = Literal["udp", "tcp"]
Over = Literal["udp", "tcp", "web"]  # how media may come: UDP or TCP at the media port, or TCP at the web server's port

LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"


class Fingerprint(NamedTuple):
    """algorithm: sha-256, sha-384 or sha-512; value: upper-case hex pairs with colons."""

    algorithm: str
    value: str


@dataclass(frozen=True)
class Audio:
    """What was agreed on for the one audio section. red_pt, level_id, mid_id: None where not offered (or not wanted)."""

    mid: str | None
    opus_pt: int
    red_pt: int | None = None
    nack: bool = False
    level_id: int | None = None
    mid_id: int | None = None
    more_opus_pts: tuple[int, ...] = ()  # further payload types of Opus, which a broadcaster may change to

    @property
    def opus_pts(self) -> frozenset[int]:
        """All payload types of Opus."""
        return frozenset((self.opus_pt, *self.more_opus_pts))

    def agreed(self, payload_type: int) -> bool:
        """Whether the payload type was agreed on."""
        return payload_type in (self.opus_pt, self.red_pt, *self.more_opus_pts)


@dataclass(frozen=True)
class Offer:
    """The parts of an offer that are used. sections: every m-line as (media, protocol, formats, mid); audio_at: which one is accepted."""

    sections: tuple[tuple[str, str, str, str | None], ...]
    audio_at: int
    audio: Audio
    red_first: bool
    bundled: bool
    direction: str
    ufrag: str
    setup: Setup  # ours, that goes into the answer
    fingerprints: tuple[Fingerprint, ...]
    nack_pts: frozenset[int]  # payload types of Opus with NACK
    names: Mapping[int, str]  # payload type -> name and clock as offered, of Opus and RED: opus/48000/2, or with other channels


@dataclass(frozen=True)
class LocalDescription:
    """Our side of the answer, but for the ICE credentials, which a restart renews.

    session: the id in the o-line. candidates: (address, port) of the media port, the best first; over: their protocols; by_web: those
    of the web server's port, over TCP. ssrc: of the media that a listener is sent, None for publish. packet_ms: the packet time (ptime)
    that a broadcaster is asked for.
    """

    session: int
    fingerprint: Fingerprint
    candidates: Sequence[tuple[str, int]]
    ssrc: int | None = None
    cname: str = "hushcast"
    over: Sequence[Protocol] = ("udp",)
    packet_ms: int | None = None
    by_web: Sequence[tuple[str, int]] = ()
