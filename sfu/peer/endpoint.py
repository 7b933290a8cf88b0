"""The server's end of all its peers, and what an answer offers a client: candidates and the local description."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import get_args

from sfu.drop_counters import DropCounters
from sfu.net.media_port import MediaSockets
from sfu.peer.dtls import Certificate, fingerprint_of
from sfu.wire import sdp
from sfu.wire.candidates import UNUSED, Used, candidates, web_candidates

Candidates = Sequence[tuple[str, int]]  # (address, port), the best first


@dataclass(frozen=True)
class AnswerOptions:
    """What an answer depends on besides the offer. `ssrc` is for listeners only, `packet_ms` for broadcasters only.

    used: how the client has reached the web server: those addresses are offered first. over: what candidates may be offered for.
    """

    used: Used = UNUSED
    over: Sequence[sdp.Over] = get_args(sdp.Over)
    ssrc: int | None = None  # of the media that the listener is sent
    packet_ms: int | None = None  # how much sound the broadcaster is asked to put into a packet
    owner: str = ""  # whose share of the pending peers it counts in


@dataclass(frozen=True)
class Endpoint:
    """What all peers of one server share. Owns none of it. announced: returns further addresses of ours, as text."""

    sockets: MediaSockets
    certificate: Certificate
    announced: Callable[[], Sequence[str]] = tuple
    drop_counters: DropCounters = field(default_factory=DropCounters)

    def candidates(self, options: AnswerOptions) -> tuple[Candidates, Candidates]:
        """Where such a client reaches us now: at the media port, and over TCP at the web server's.

        What is no address, or of a family that no socket has, is left out.
        """
        sockets, used = self.sockets, options.used
        ours = candidates(sockets.addresses, sockets.port, self.announced(), used.addresses)
        return ours, web_candidates(ours, sockets.addresses, sockets.web if "web" in options.over else (), used.port)

    def description(self, kind: sdp.Kind, options: AnswerOptions) -> sdp.LocalDescription:
        """Our side of a new peer."""
        ours, by_web = self.candidates(options)
        return sdp.LocalDescription(
            session=secrets.randbits(62),
            fingerprint=sdp.Fingerprint(*fingerprint_of(self.certificate)),
            candidates=ours,
            by_web=by_web,
            ssrc=options.ssrc if kind == "subscribe" else None,
            over=[each for each in self.sockets.protocols if each in options.over],
            packet_ms=options.packet_ms if kind == "publish" else None,
        )
