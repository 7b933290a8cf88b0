"""An offer in, an answer out (RFC 8866, 8829, 8843, 9725), and trickle fragments (RFC 8840). Text only, no I/O.

Read by hand rather than by a library: an offer may carry anything in the sections that we refuse, and none of that may
make us refuse the voice. Candidates are not even looked at. Whatever is wrong is a `BadOffer`, never another exception.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sfu.errors import BadOffer, NoOpus
from sfu.sections import Media, Section, lines_of, split_offer

Kind = Literal["publish", "subscribe"]
Setup = Literal["active", "passive"]
Protocol = Literal["udp", "tcp"]

LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
OPUS_FMTP = "minptime=10;useinbandfec=1"
# What a broadcaster is asked for besides. Browsers encode one channel in libopus' `voip`, which filters the lows and, at the
# usual 32 kb/s, follows the wave so loosely (SILK) that a denoised copy of it cannot come near the clean voice (SI-SDR under
# 6 dB even for a voice without noise). With stereo=1 they take `audio`, at this rate CELT, and SILK with FEC once loss is
# reported; a microphone's two equal channels cost next to nothing.
SPOKEN_FMTP = "stereo=1;maxaveragebitrate=96000"
HOST_PREFERENCE = 126  # RFC 8445 §5.1.2.2
TCP_PREFERENCE = 90  # less than any UDP (RFC 6544 §4.2)
PASSIVE_PREFERENCE = 4 << 13  # the same
BRIEF_MS = 10  # the shortest packets that browsers send: a voice comes 10 ms sooner than in the usual 20

_UFRAG = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")  # `=_-` are not in RFC 8839, but clients send them
_PASSWORD = re.compile(r"[A-Za-z0-9+/=_-]{22,256}")
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_SETUP_ANSWERS: dict[str, Setup] = {"actpass": "passive", "active": "passive", "passive": "active", "": "passive"}


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


@dataclass(frozen=True)
class Local:
    """Our side of the answer. candidates: (address, port), the best first; ssrc: what a listener is sent, None for publish;
    over: what the candidates are to be had over; packet_ms: how much sound a broadcaster is asked to put into a packet."""

    session: int
    ufrag: str
    password: str
    fingerprint: Fingerprint
    candidates: Sequence[tuple[str, int]]
    ssrc: int | None = None
    cname: str = "hushcast"
    over: Sequence[Protocol] = ("udp",)
    packet_ms: int | None = None


class Fragment(NamedTuple):
    """A trickle fragment: whose generation it is of (None: it does not say). Its candidates are of no use to us."""

    ufrag: str | None
    password: str | None


def parse_offer(text: str, kind: Kind, *, red: bool = False) -> Offer:
    """Choose the audio section that fits. red: keep RED where it is offered.

    Raises NoOpus where no audio section has Opus, BadOffer on anything else that is wrong.
    """
    session, media = split_offer(text)
    audio_at = _choose(media, kind)
    chosen = media[audio_at]
    group = next((value.split()[1:] for value in session.all("group") if value.split()[:1] == ["BUNDLE"]), [])
    bundled = chosen.mid is not None and chosen.mid in group
    sources: list[Section] = [chosen, session]
    if bundled:  # a section may leave the transport to the first of its bundle
        sources += [one for one in media if one.mid == group[0]]
    if not any("rtcp-mux" in source.attributes for source in sources):
        raise BadOffer("rtcp-mux is needed")
    audio, red_first = _codecs(chosen, red=red)
    return Offer(
        sections=tuple((one.kind, one.protocol, one.formats, one.mid) for one in media),
        audio_at=audio_at,
        audio=audio,
        red_first=red_first,
        bundled=bundled,
        direction=_direction(chosen, session),
        ufrag=_ice(sources),
        setup=_setup(sources),
        fingerprints=_fingerprints(sources),
    )


def _choose(media: Sequence[Media], kind: Kind) -> int:
    """The first audio section that has Opus and the right direction."""
    with_opus = [at for at, one in enumerate(media) if one.kind == "audio" and one.offered and _opus_of(one) is not None]
    if not with_opus:
        raise NoOpus()
    wanted = ("sendrecv", "sendonly") if kind == "publish" else ("sendrecv", "recvonly")
    for at in with_opus:
        if _direction(media[at]) in wanted:
            return at
    raise BadOffer("the audio section does not send" if kind == "publish" else "the audio section does not receive")


def _direction(media: Media, session: Section | None = None) -> str:
    for section in (media, session):
        for name in _DIRECTIONS:
            if section is not None and name in section.attributes:
                return name
    return "sendrecv"


def _payload_types(media: Media, codec: str) -> list[int]:
    """Payload types of the m-line with that rtpmap (lower case), in the m-line's order."""
    named: set[str] = set()
    for value in media.all("rtpmap"):
        number, _, name = value.partition(" ")
        if name.strip().lower() == codec:
            named.add(number)
    return [int(each) for each in media.formats.split() if each in named and each.isascii() and each.isdigit() and int(each) < 128]


def _opus_of(media: Media) -> int | None:
    return next(iter(_payload_types(media, "opus/48000/2")), None)


def _codecs(media: Media, *, red: bool) -> tuple[Audio, bool]:
    opus_pt = _opus_of(media)
    if opus_pt is None:
        raise NoOpus()
    red_pt = next(iter(_payload_types(media, "red/48000/2")), None) if red else None
    order = media.formats.split()
    parameters = _parameters(media, opus_pt)
    feedback = [value.split() for value in media.all("rtcp-fb")]
    audio = Audio(
        mid=media.mid,
        opus_pt=opus_pt,
        red_pt=red_pt,
        nack=any(words in ([str(opus_pt), "nack"], ["*", "nack"]) for words in feedback),
        level_id=_extension(media, LEVEL_URI),
        mid_id=_extension(media, MID_URI),
        stereo="1" in (parameters.get("stereo"), parameters.get("sprop-stereo")),
        dtx=parameters.get("usedtx") == "1",
    )
    return audio, red_pt is not None and order.index(str(red_pt)) < order.index(str(opus_pt))


def _parameters(media: Media, payload_type: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in media.all("fmtp"):
        number, _, text = value.partition(" ")
        if number == str(payload_type):
            for pair in text.split(";"):
                name, _, setting = pair.strip().partition("=")
                found[name.lower()] = setting
    return found


def _extension(media: Media, uri: str) -> int | None:
    """The id of a header extension, 1-14 (15 and up would need two-byte headers from us)."""
    for value in media.all("extmap"):
        words = value.split()
        number = words[0].partition("/")[0] if len(words) >= 2 and words[1] == uri else ""
        if number.isascii() and number.isdigit() and 1 <= int(number[:4]) <= 14:
            return int(number)
    return None


def _ice(sources: Sequence[Section]) -> str:
    for source in sources:
        ufrag, password = source.one("ice-ufrag"), source.one("ice-pwd")
        if ufrag is not None and password is not None:
            if not _UFRAG.fullmatch(ufrag) or not _PASSWORD.fullmatch(password):
                raise BadOffer("ice-ufrag or ice-pwd is not well-formed")
            return ufrag
    raise BadOffer("ice-ufrag or ice-pwd is missing")


def _setup(sources: Sequence[Section]) -> Setup:
    offered = next((value for source in sources for value in source.all("setup")), "")
    if offered not in _SETUP_ANSWERS:
        raise BadOffer("setup is none of actpass, active and passive")
    return _SETUP_ANSWERS[offered]


def _fingerprints(sources: Sequence[Section]) -> tuple[Fingerprint, ...]:
    for source in sources:
        if source.all("fingerprint"):
            found = tuple(filter(None, map(_fingerprint, source.all("fingerprint"))))
            if not found:
                raise BadOffer("there is no fingerprint of sha-256, sha-384 or sha-512")
            return found
    raise BadOffer("there is no fingerprint")


def _fingerprint(value: str) -> Fingerprint | None:
    """None for an algorithm that we do not know."""
    words = value.split()
    length = _DIGEST_BYTES.get(words[0].lower()) if words else None
    if length is None:
        return None
    if len(words) != 2 or not re.fullmatch(f"(?:[0-9A-Fa-f]{{2}}:){{{length - 1}}}[0-9A-Fa-f]{{2}}", words[1]):
        raise BadOffer("a fingerprint is not well-formed")
    return Fingerprint(words[0].lower(), words[1].upper())


def build_answer(offer: Offer, kind: Kind, local: Local) -> str:
    """The whole answer, every line ended by CR LF."""
    audio = offer.audio
    head = ["v=0", f"o=- {local.session} 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=ice-lite"]
    if offer.bundled:
        head.append(f"a=group:BUNDLE {audio.mid}")
    head.append("a=msid-semantic: WMS *")
    for at, section in enumerate(offer.sections):
        head += _accept(offer, kind, local) if at == offer.audio_at else _reject(section)
    return "\r\n".join(head) + "\r\n"


def _reject(section: tuple[str, str, str, str | None]) -> list[str]:
    kind, protocol, formats, mid = section
    lines = [f"m={kind} 0 {protocol} {formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return lines if mid is None else [*lines, f"a=mid:{mid}"]


def _accept(offer: Offer, kind: Kind, local: Local) -> list[str]:
    audio, protocol = offer.audio, offer.sections[offer.audio_at][1]
    formats = [audio.opus_pt]
    if audio.red_pt is not None:
        formats.insert(0 if offer.red_first else 1, audio.red_pt)
    address, port = local.candidates[0] if local.candidates else ("0.0.0.0", 9)
    lines = [
        f"m=audio {port} {protocol} {' '.join(map(str, formats))}",
        f"c=IN {'IP6' if ':' in address else 'IP4'} {address}",
        *([] if audio.mid is None else [f"a=mid:{audio.mid}"]),
        "a=recvonly" if kind == "publish" else "a=sendonly",
        "a=rtcp-mux",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:{local.fingerprint.algorithm} {local.fingerprint.value}",
        f"a=setup:{offer.setup}",
        f"a=rtpmap:{audio.opus_pt} opus/48000/2",
        f"a=fmtp:{audio.opus_pt} {OPUS_FMTP}" + (f";{SPOKEN_FMTP}" if kind == "publish" else ""),
    ]
    if local.packet_ms is not None:
        lines.append(f"a=ptime:{local.packet_ms}")
    if audio.nack:
        lines.append(f"a=rtcp-fb:{audio.opus_pt} nack")
    if audio.red_pt is not None:
        lines += [f"a=rtpmap:{audio.red_pt} red/48000/2", f"a=fmtp:{audio.red_pt} {audio.opus_pt}/{audio.opus_pt}"]
    if audio.level_id is not None:
        lines.append(f"a=extmap:{audio.level_id} {LEVEL_URI}")
    if audio.mid_id is not None:
        lines.append(f"a=extmap:{audio.mid_id} {MID_URI}")
    if local.ssrc is not None:
        lines += [f"a=msid:{local.cname} voice", f"a=ssrc:{local.ssrc} cname:{local.cname}"]
    return lines + _candidate_lines(local)


def _candidate_lines(local: Local) -> list[str]:
    """UDP first: TCP is for those who get nothing else through."""
    lines = []
    for at, (address, port) in enumerate(local.candidates if "udp" in local.over else ()):
        priority = HOST_PREFERENCE << 24 | (0xFFFF - at) << 8 | 255
        lines.append(f"a=candidate:{at + 1} 1 udp {priority} {address} {port} typ host")
    for at, (address, port) in enumerate(local.candidates if "tcp" in local.over else ()):
        priority = TCP_PREFERENCE << 24 | (PASSIVE_PREFERENCE + 0x1FFF - at) << 8 | 255
        lines.append(f"a=candidate:{len(local.candidates) + at + 1} 1 tcp {priority} {address} {port} typ host tcptype passive")
    return [*lines, "a=end-of-candidates"]


def parse_fragment(text: str) -> Fragment:
    """Raises BadOffer where it is no fragment at all. Candidates in it may be anything."""
    section = Section(lines_of(text))
    ufrag, password = section.one("ice-ufrag"), section.one("ice-pwd")
    if (ufrag is not None and not _UFRAG.fullmatch(ufrag)) or (password is not None and not _PASSWORD.fullmatch(password)):
        raise BadOffer("ice-ufrag or ice-pwd is not well-formed")
    return Fragment(ufrag, password)


def build_fragment(offer: Offer, local: Local) -> str:
    """The answer to a restart: new credentials, the same candidates."""
    mid = offer.audio.mid
    lines = [
        "a=ice-lite",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"m=audio 9 {offer.sections[offer.audio_at][1]} 0",
        *([] if mid is None else [f"a=mid:{mid}"]),
        *_candidate_lines(local),
    ]
    return "\r\n".join(lines) + "\r\n"
