"""An offer in (RFC 8866, 8829, 8843): the one audio section that is taken, and the transport that goes with it. Text only, no I/O.

Read by hand rather than by a library: an offer may carry anything in the sections that we refuse, and none of that may
make us refuse the voice. Candidates are not even looked at. Whatever is wrong is a `BadOffer`, never another exception.
"""

import re
from collections.abc import Sequence

from sfu.errors import BadOffer, NoOpus
from sfu.sdp import LEVEL_URI, MID_URI, Audio, Fingerprint, Kind, Offer, Setup
from sfu.sections import Media, Section, check_credentials, split_offer

_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_SETUP_ANSWERS: dict[str, Setup] = {"actpass": "passive", "active": "passive", "passive": "active", "": "passive"}


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
            check_credentials(ufrag, password)
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
