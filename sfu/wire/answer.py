"""Writes the answer (RFC 8829, 8843, 9725): one audio section is accepted, all others are rejected. Text only, no I/O."""

from sfu.wire.candidates import candidate_lines
from sfu.wire.ice import Credentials
from sfu.wire.sdp import LEVEL_URI, MID_URI, Kind, LocalDescription, Offer

BRIEF_MS = 10  # the shortest packet time of browsers, which usually send 20 ms: saves 10 ms of delay
OPUS_FMTP = "minptime=10;useinbandfec=1"
# What a broadcaster is asked for as well. Browsers encode mono in libopus' `voip` mode, which filters low frequencies and, at the
# usual 32 kb/s, follows the waveform so loosely (SILK) that denoising it cannot come near the clean voice (SI-SDR under 6 dB even for
# a voice without noise). With stereo=1 they use `audio` mode: CELT at this rate, and SILK with FEC once loss is reported. The two
# channels of a microphone are equal, so the second one costs next to nothing.
PUBLISH_FMTP = "stereo=1;maxaveragebitrate=96000"


def build_answer(offer: Offer, kind: Kind, local: LocalDescription, credentials: Credentials) -> str:
    """The whole answer, with CR LF after each line."""
    audio = offer.audio
    head = ["v=0", f"o=- {local.session} 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=ice-lite"]
    if offer.bundled:
        head.append(f"a=group:BUNDLE {audio.mid}")
    head.append("a=msid-semantic: WMS *")
    for at, section in enumerate(offer.sections):
        head += _accept(offer, kind, local, credentials) if at == offer.audio_at else _reject(section)
    return "\r\n".join(head) + "\r\n"


def _reject(section: tuple[str, str, str, str | None]) -> list[str]:
    kind, protocol, formats, mid = section
    lines = [f"m={kind} 0 {protocol} {formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return lines if mid is None else [*lines, f"a=mid:{mid}"]


def _accept(offer: Offer, kind: Kind, local: LocalDescription, credentials: Credentials) -> list[str]:
    audio, protocol = offer.audio, offer.sections[offer.audio_at][1]
    formats = [audio.opus_pt, *audio.more_opus_pts]
    if audio.red_pt is not None:
        formats.insert(0 if offer.red_first else len(formats), audio.red_pt)
    address, port = local.candidates[0] if local.candidates else ("0.0.0.0", 9)
    lines = [
        f"m=audio {port} {protocol} {' '.join(map(str, formats))}",
        f"c=IN {'IP6' if ':' in address else 'IP4'} {address}",
        *([] if audio.mid is None else [f"a=mid:{audio.mid}"]),
        "a=recvonly" if kind == "publish" else "a=sendonly",
        "a=rtcp-mux",
        f"a=ice-ufrag:{credentials.ufrag}",
        f"a=ice-pwd:{credentials.password}",
        f"a=fingerprint:{local.fingerprint.algorithm} {local.fingerprint.value}",
        f"a=setup:{offer.setup}",
    ]
    for opus_pt in (audio.opus_pt, *audio.more_opus_pts):
        lines.append(f"a=rtpmap:{opus_pt} {offer.names[opus_pt]}")
        lines.append(f"a=fmtp:{opus_pt} {OPUS_FMTP}" + (f";{PUBLISH_FMTP}" if kind == "publish" else ""))
    if local.packet_ms is not None:
        lines.append(f"a=ptime:{local.packet_ms}")
    lines += [f"a=rtcp-fb:{opus_pt} nack" for opus_pt in (audio.opus_pt, *audio.more_opus_pts) if opus_pt in offer.nack_pts]
    if audio.red_pt is not None:
        lines += [f"a=rtpmap:{audio.red_pt} {offer.names[audio.red_pt]}", f"a=fmtp:{audio.red_pt} {audio.opus_pt}/{audio.opus_pt}"]
    if audio.level_id is not None:
        lines.append(f"a=extmap:{audio.level_id} {LEVEL_URI}")
    if audio.mid_id is not None:
        lines.append(f"a=extmap:{audio.mid_id} {MID_URI}")
    if local.ssrc is not None:
        lines += [f"a=msid:{local.cname} voice", f"a=ssrc:{local.ssrc} cname:{local.cname}"]
    return lines + candidate_lines(local.candidates, local.over, local.by_web)
