"""What is agreed on with a peer (RFC 8866, 8829, 9725), as values: `offer` makes them from text, `answer` and `trickle` write them down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["publish", "subscribe"]
Setup = Literal["active", "passive"]
Protocol = Literal["udp", "tcp"]
Over = Literal["udp", "tcp", "web"]  # what media may come by: at the media port, or over TCP at the web server's

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
    stereo: bool = False  # the other end says that it can, or will, send two channels
    dtx: bool = False
    more_opus: tuple[int, ...] = ()  # what a broadcaster may change to: further payload types of Opus

    @property
    def spoken(self) -> frozenset[int]:
        """The payload types that are Opus."""
        return frozenset((self.opus_pt, *self.more_opus))

    def agreed(self, payload_type: int) -> bool:
        """May the voice come as this?"""
        return payload_type in (self.opus_pt, self.red_pt, *self.more_opus)


@dataclass(frozen=True)
class Offer:
    """What matters of an offer. sections: every m-line as (media, protocol, formats, mid); audio_at: which one is taken."""

    sections: tuple[tuple[str, str, str, str | None], ...]
    audio_at: int
    audio: Audio
    red_first: bool
    bundled: bool
    direction: str
    ufrag: str
    setup: Setup  # our side of it
    fingerprints: tuple[Fingerprint, ...]
    nack_pts: frozenset[int]  # the payload types of Opus that NACK was offered for
    names: Mapping[int, str]  # what the payload types of Opus and RED are called: opus/48000/2, and the same with other channels


@dataclass(frozen=True)
class Local:
    """Our side of it, but for the ICE credentials, which a restart renews.

    candidates: (address, port), the best first; over: what they are to be had over; by_web: more of them, over TCP;
    ssrc: what a listener is sent, None for publish; packet_ms: how much sound a broadcaster is asked to put into a packet.
    """

    session: int
    fingerprint: Fingerprint
    candidates: Sequence[tuple[str, int]]
    ssrc: int | None = None
    cname: str = "hushcast"
    over: Sequence[Protocol] = ("udp",)
    packet_ms: int | None = None
    by_web: Sequence[tuple[str, int]] = ()
