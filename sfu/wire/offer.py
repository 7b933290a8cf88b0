"""Reads an offer (RFC 8866, 8829, 8843): the one audio section that is accepted, and its transport. Text only, no I/O.

No library is used because an offer may have anything in the sections that we reject, and none of it may make us reject the
audio. Candidates are ignored. Anything wrong raises BadOffer or NoOpus, never another exception.
"""

import re
from collections.abc import Sequence

from sfu.errors import BadOffer, NoOpus
from sfu.wire.sdp import LEVEL_URI, MID_URI, Audio, Fingerprint, Kind, Offer, Setup
from sfu.wire.sdp_parser import Media, Section, check_credentials, quoted, split_offer

_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_PROFILES = re.compile(r"(?:UDP/TLS/|TCP/DTLS/)?RTP/SAVPF?|RTP/AVPF?")  # RFC 8829 §5.1.2 has all of them mean DTLS
_NUMBER = re.compile(r"0|[1-9][0-9]{0,2}")  # without leading zeros, so that the answer repeats it exactly
_RTCP_PTS = range(64, 96)  # payload types that rtcp-mux cannot tell from RTCP (RFC 5761 §4)
_OPUS = ("opus/48000/2", "opus/48000", "opus/48000/1")  # the first is RFC 7587's; clients write the others too
_RED = ("red/48000/2", "red/48000", "red/48000/1")
_MAX_OPUS_PTS = 8  # further ones are ignored; each makes the answer longer
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_SETUP_ANSWERS: dict[str, Setup] = {"actpass": "passive", "active": "passive", "passive": "active", "": "passive"}


def parse_offer(text: str, kind: Kind, *, red: bool = False) -> Offer:
    """Choose the audio section to accept. red: keep RED where it is offered.

    Raises NoOpus where no audio section has Opus, BadOffer for anything else that is wrong.
    """
    session, media = split_offer(text)
    audio_at = _choose(session, media, kind)
    chosen = media[audio_at]
    group = next((value.split()[1:] for value in session.all("group") if value.split()[:1] == ["BUNDLE"]), [])
    bundled = chosen.mid is not None and chosen.mid in group
    sources: list[Section] = [chosen, session]
    if bundled:  # the transport may be given in the first section of the bundle only
        sources += [one for one in media if one.mid == group[0]]
    if not any("rtcp-mux" in source.attributes for source in sources):
        raise BadOffer("rtcp-mux is needed")
    if not _PROFILES.fullmatch(chosen.protocol):
        raise BadOffer(f"the audio section's profile is {chosen.protocol}, which is not RTP over DTLS: UDP/TLS/RTP/SAVPF is")
    audio, red_first, nack_pts = _codecs(session, chosen, kind, red=red)
    return Offer(
        sections=tuple((one.kind, one.protocol, one.formats, one.mid) for one in media),
        audio_at=audio_at,
        audio=audio,
        red_first=red_first,
        bundled=bundled,
        direction=_direction(chosen, session),
        ufrag=_remote_ufrag(sources),
        setup=_setup(sources),
        fingerprints=_fingerprints(sources),
        nack_pts=nack_pts,
        names=_names(chosen, (*_OPUS, *_RED)),
    )


def _choose(session: Section, media: Sequence[Media], kind: Kind) -> int:
    """The index of the first audio section that has Opus and the right direction."""
    with_opus = [at for at, one in enumerate(media) if one.kind == "audio" and one.offered and _opus_of(one)]
    if not with_opus:
        raise NoOpus()
    wanted = ("sendrecv", "sendonly") if kind == "publish" else ("sendrecv", "recvonly")
    for at in with_opus:
        if _direction(media[at], session) in wanted:
            return at
    raise BadOffer("the audio section does not send" if kind == "publish" else "the audio section does not receive")


def _direction(media: Media, session: Section) -> str:
    for section in (media, session):
        for name in _DIRECTIONS:
            if name in section.attributes:
                return name
    return "sendrecv"


def _names(media: Media, codecs: Sequence[str]) -> dict[int, str]:
    """Payload type -> rtpmap of the m-line's formats whose rtpmap is one of `codecs` (lower case), in the m-line's order."""
    named: dict[str, str] = {}
    for value in media.all("rtpmap"):
        number, *name = value.lower().split()
        if len(name) == 1 and name[0] in codecs:
            named[number] = name[0]
    formats = dict.fromkeys(media.formats.split())
    return {int(each): named[each] for each in formats if each in named and _NUMBER.fullmatch(each) and int(each) < 128}


def _opus_of(media: Media) -> list[int]:
    return list(_names(media, _OPUS))


def _codecs(session: Section, media: Media, kind: Kind, *, red: bool) -> tuple[Audio, bool, frozenset[int]]:
    """What is agreed on, whether RED is preferred to Opus, and the payload types of Opus with NACK."""
    usable = [each for each in _opus_of(media) if each not in _RTCP_PTS]
    if not usable:
        raise BadOffer("Opus has a payload type from 64 to 95, which with rtcp-mux cannot be told from RTCP")
    opus_pt, *more = usable[: _MAX_OPUS_PTS if kind == "publish" else 1]  # a broadcaster may change between them, we use one
    reds = [each for each in _names(media, _RED) if each not in _RTCP_PTS] if red else []
    red_pt = reds[0] if reds else None
    order = media.formats.split()
    feedback = [value.split() for value in media.all("rtcp-fb")]
    nack_pts = frozenset(each for each in (opus_pt, *more) if any(words in ([str(each), "nack"], ["*", "nack"]) for words in feedback))
    audio = Audio(
        mid=media.mid,
        opus_pt=opus_pt,
        red_pt=red_pt,
        nack=bool(nack_pts),
        level_id=_extension((media, session), LEVEL_URI),
        mid_id=_extension((media, session), MID_URI),
        more_opus_pts=tuple(more),
    )
    return audio, red_pt is not None and order.index(str(red_pt)) < order.index(str(opus_pt)), nack_pts


def _extension(sections: Sequence[Section], uri: str) -> int | None:
    """The id of a header extension, 1-14 (from 15 on we would have to write two-byte headers)."""
    for value in (value for section in sections for value in section.all("extmap")):
        words = value.split()
        number = words[0].partition("/")[0] if len(words) >= 2 and words[1] == uri else ""
        if _NUMBER.fullmatch(number) and 1 <= int(number) <= 14:
            return int(number)
    return None


def _remote_ufrag(sources: Sequence[Section]) -> str:
    for source in sources:
        ufrag, password = source.one("ice-ufrag"), source.one("ice-pwd")
        if ufrag is not None and password is not None:
            check_credentials(ufrag, password)
            return ufrag
    raise BadOffer("ice-ufrag or ice-pwd is missing")


def _setup(sources: Sequence[Section]) -> Setup:
    offered = next((value for source in sources for value in source.all("setup")), "")
    if offered.lower() not in _SETUP_ANSWERS:
        raise BadOffer(f"{quoted(f'a=setup:{offered}')} is none of actpass, active and passive")
    return _SETUP_ANSWERS[offered.lower()]


def _fingerprints(sources: Sequence[Section]) -> tuple[Fingerprint, ...]:
    for source in sources:
        if source.all("fingerprint"):
            found = tuple(filter(None, map(_fingerprint, source.all("fingerprint"))))
            if not found:
                raise BadOffer("there is no fingerprint of sha-256, sha-384 or sha-512")
            return found
    raise BadOffer("there is no fingerprint")


def _fingerprint(value: str) -> Fingerprint | None:
    """One fingerprint; None for an unknown algorithm."""
    words = value.split()
    length = _DIGEST_BYTES.get(words[0].lower()) if words else None
    if length is None:
        return None
    if len(words) != 2 or not re.fullmatch(f"(?:[0-9A-Fa-f]{{2}}:){{{length - 1}}}[0-9A-Fa-f]{{2}}", words[1]):
        raise BadOffer(f"{quoted(f'a=fingerprint:{value}')} is not as many bytes in hexadecimal, with colons, as {words[0].lower()} has")
    return Fingerprint(words[0].lower(), words[1].upper())
