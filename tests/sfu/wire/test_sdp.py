"""Offers of several clients, the answers to them, and the errors for malformed ones."""

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import example, given
from hypothesis import strategies as st

from sfu.errors import BadOffer, NoOpus
from sfu.wire import sdp
from sfu.wire.answer import BRIEF_MS, build_answer
from sfu.wire.candidates import candidate_lines, candidates, web_candidates
from sfu.wire.ice import Credentials
from sfu.wire.offer import parse_offer
from sfu.wire.sdp_fragment import Fragment, build_fragment, parse_fragment

DIGEST = ":".join(["AB"] * 32)
OURS = Credentials("ours", "p" * 24)

CHROMIUM = f"""v=0
o=- 4403220176603961839 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 3f1c8a52-0000-4000-8000-000000000000.local 40000 typ host generation 0
a=ice-ufrag:wLpZ
a=ice-pwd:R12GMF/TwHyMH6Uu/20zFYyT
a=ice-options:trickle
a=fingerprint:sha-256 {DIGEST}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendonly
a=msid:- 8273b4d3
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 nack
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=ssrc:2379458186 cname:yMdHJdzD1NriKesA
m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=mid:1
a=sendonly
a=rtpmap:96 VP8/90000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:2
a=sctp-port:5000
""".replace("\n", "\r\n")

PLAIN = f"""v=0
o=FFmpeg 4489045141692799359 2 IN IP4 127.0.0.1
s=FFmpegPublishSession
t=0 0
a=group:BUNDLE 0 1
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef0123456789abcdef
a=fingerprint:sha-384 {":".join(["0a"] * 48)}
a=setup:passive
m=audio 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
a=rtcp-mux
a=rtpmap:96 OPUS/48000/2
a=fmtp:96 stereo=1; sprop-stereo=1;usedtx=1
a=rtcp-fb:* nack
m=video 9 UDP/TLS/RTP/SAVPF 106
a=mid:1
a=rtpmap:106 H264/90000
a=fmtp:18 annexb=no
"""


def local(**changes: object) -> sdp.LocalDescription:
    settings: dict[str, object] = {
        "session": 5,
        "fingerprint": sdp.Fingerprint("sha-256", DIGEST),
        "candidates": [("192.0.2.1", 8081), ("2001:db8::1", 8081)],
    }
    return sdp.LocalDescription(**{**settings, **changes})  # type: ignore[arg-type]


def test_what_chromium_offers_is_understood() -> None:
    """Opus, levels, mid and nack; RED only where it is wanted; its .local candidates do not matter."""
    offer = parse_offer(CHROMIUM, "publish")
    assert offer.audio == sdp.Audio("0", 111, nack=True, level_id=1, mid_id=4)
    assert offer.ufrag == "wLpZ" and offer.setup == "passive" and offer.bundled
    assert offer.fingerprints == (sdp.Fingerprint("sha-256", DIGEST),)
    assert parse_offer(CHROMIUM, "publish", red=True).audio.red_pt == 63


def test_the_answer_takes_the_voice_and_refuses_the_rest() -> None:
    """ice-lite, one bundle, rtcp-mux, Opus with FEC, the two extensions, and port 0 for video and data."""
    answer = build_answer(parse_offer(CHROMIUM, "publish"), "publish", local(), OURS)
    assert answer.endswith("\r\n") and "\n" not in answer.replace("\r\n", "")
    lines = answer.split("\r\n")
    for line in (
        "a=ice-lite",
        "a=group:BUNDLE 0",
        "m=audio 8081 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 192.0.2.1",
        "a=recvonly",
        "a=rtcp-mux",
        "a=setup:passive",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=96000",
        "a=rtcp-fb:111 nack",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "a=end-of-candidates",
    ):
        assert lines.count(line) == 1, line
    assert answer.count("a=extmap") == 2 and "transport-cc" not in answer and "a=ssrc" not in answer
    parsed = SessionDescription.parse(answer)
    assert [each.ip for each in parsed.media[0].ice_candidates] == ["192.0.2.1", "2001:db8::1"]
    assert [each.port for each in parsed.media] == [8081, 0, 0]
    assert [each.rtp.muxId for each in parsed.media] == ["0", "1", "2"]


def test_brief_packets_are_asked_for() -> None:
    """The answer asks for short packets by ptime, and only where `packet_ms` is set."""
    offer = parse_offer(CHROMIUM, "publish")
    assert "a=ptime:10\r\n" in build_answer(offer, "publish", local(packet_ms=BRIEF_MS), OURS)
    assert "a=ptime" not in build_answer(offer, "publish", local(), OURS)


def test_a_listener_is_told_what_it_will_hear() -> None:
    """sendonly, with the SSRC and a stream for it."""
    text = CHROMIUM.replace("a=sendonly", "a=recvonly")
    answer = build_answer(parse_offer(text, "subscribe"), "subscribe", local(ssrc=77), OURS)
    assert "a=sendonly" in answer and "a=ssrc:77 cname:hushcast" in answer and "a=msid:hushcast voice" in answer


def test_red_stays_where_the_offer_put_it() -> None:
    """RED before Opus in the answer asks the broadcaster to send it; after Opus it is merely accepted."""
    after = build_answer(parse_offer(CHROMIUM, "publish", red=True), "publish", local(), OURS)
    assert "SAVPF 111 63\r\n" in after and "a=fmtp:63 111/111\r\n" in after
    before = build_answer(parse_offer(CHROMIUM.replace("111 63", "63 111"), "publish", red=True), "publish", local(), OURS)
    assert "SAVPF 63 111\r\n" in before


def test_every_payload_type_of_opus_is_kept() -> None:
    """A broadcaster may change between payload types of Opus, so the answer has each once; a listener's has one, since we do not change."""
    text = CHROMIUM.replace("111 63", "111 97 63 97").replace("a=rtpmap:9 ", "a=rtpmap:97 opus/48000/2\r\na=rtpmap:9 ")
    offer = parse_offer(text, "publish", red=True)
    assert offer.audio.opus_pt == 111 and offer.audio.more_opus_pts == (97,)
    answer = build_answer(offer, "publish", local(), OURS)
    assert "SAVPF 111 97 63\r\n" in answer and answer.count("a=rtpmap:97 opus/48000/2\r\n") == answer.count("a=fmtp:97 minptime") == 1
    assert "a=rtcp-fb:111 nack\r\n" in answer and "a=rtcp-fb:97" not in answer
    text = text.replace("a=sendonly", "a=recvonly")
    assert "SAVPF 111 63\r\n" in build_answer(parse_offer(text, "subscribe", red=True), "subscribe", local(), OURS)


def test_so_many_payload_types_of_opus_are_kept() -> None:
    """The answer has at most eight payload types of Opus, however many are offered."""
    many = "\r\n".join(f"a=rtpmap:{each} opus/48000/2" for each in range(1, 60))
    text = CHROMIUM.replace("111 63", "111 " + " ".join(map(str, range(1, 60)))).replace("a=rtcp-rsize", many)
    assert parse_offer(text, "publish").audio.more_opus_pts == tuple(range(1, 8))


@pytest.mark.parametrize(
    "profile", ["UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP", "RTP/AVPF", "RTP/AVP"]
)
def test_every_profile_of_the_rfc_is_taken_as_dtls(profile: str) -> None:
    """With a fingerprint each profile means DTLS-SRTP (RFC 8829 §5.1.2), and the answer repeats it; without one none does."""
    text = CHROMIUM.replace("m=audio 9 UDP/TLS/RTP/SAVPF", f"m=audio 9 {profile}")
    assert f"m=audio 8081 {profile} 111\r\n" in build_answer(parse_offer(text, "publish"), "publish", local(), OURS)
    with pytest.raises(BadOffer, match="no fingerprint"):
        parse_offer(text.replace("a=fingerprint", "a=crypto"), "publish")


@pytest.mark.parametrize("payload_type", [64, 72, 95])
def test_opus_that_looks_like_rtcp_is_refused(payload_type: int) -> None:
    """Payload types 64 to 95 look like RTCP (RFC 5761 §4): another one is taken, RED is left out, and Opus with no other is an error."""
    text = CHROMIUM.replace("111", str(payload_type))
    with pytest.raises(BadOffer, match="64 to 95"):
        parse_offer(text, "publish")
    text = text.replace(f"SAVPF {payload_type} 63", f"SAVPF {payload_type} 97 {payload_type + 1 if payload_type < 95 else 65}")
    text = text.replace("a=rtpmap:63 ", "a=rtpmap:97 opus/48000/2\r\na=rtpmap:65 ")
    audio = parse_offer(text, "publish", red=True).audio
    assert (audio.opus_pt, audio.more_opus_pts, audio.red_pt) == (97, (), None)


def test_numbers_are_taken_as_they_would_be_written() -> None:
    """A header extension is ignored where its id has leading zeros or too many digits."""
    for number in ("00011111", "01", "15", "0", "²"):
        assert parse_offer(CHROMIUM.replace("a=extmap:1 ", f"a=extmap:{number} "), "publish").audio.level_id is None


def test_a_terse_client_is_understood() -> None:
    """Transport at session level, bare line feeds, upper-case OPUS, setup:passive, sha-384, `*` feedback, an orphaned fmtp."""
    offer = parse_offer(PLAIN, "publish")
    assert offer.audio == sdp.Audio("0", 96, nack=True)
    assert offer.setup == "active" and offer.fingerprints[0].algorithm == "sha-384"
    assert "a=setup:active" in build_answer(offer, "publish", local(), OURS)


@pytest.mark.parametrize("around", [("\ufeff", ""), ("", "\0"), ("", " \r\n"), ("\r\n \t\r\n", "\r\n\0\r\n"), ("\t", "")])
def test_what_stands_around_an_offer_has_no_meaning(around: tuple[str, str]) -> None:
    """A byte order mark, a zero byte at the end, blank lines and indentation are ignored."""
    before, behind = around
    assert parse_offer(before + CHROMIUM + behind, "publish") == parse_offer(CHROMIUM, "publish")
    assert parse_fragment(before + "a=ice-ufrag:EsAw\r\n" + behind).ufrag == "EsAw"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\r\n", "\n"),
        ("\r\n", "\r"),
        ("\r\n", "\r\r\n"),
        ("\r\n", " \t\r\n"),
        ("\r\n", "\r\n  "),
        ("a=rtpmap:111 opus", "a=rtpmap:111\topus"),
        ("a=rtpmap:111 opus", "a=rtpmap: 111  OPUS"),
        ("a=fmtp:111 minptime", "a=fmtp:111  minptime"),
        ("SAVPF 111 63", "SAVPF  111\t63"),
        ("fingerprint:sha-256 ", "fingerprint: SHA-256\t"),
        ("AB:AB", "ab:Ab"),
        ("setup:actpass", "setup:ActPass"),
        ("a=extmap-allow-mixed", "a=extmap-allow-mixed\r\na=\r\na=:\r\nb=AS:64\r\nx=what\r\na=crypto:1 x inline:y"),
    ],
)
def test_the_same_in_other_spelling_is_the_same(old: str, new: str) -> None:
    """Other line ends, blanks, tabs, capitals and unknown lines change nothing."""
    assert old in CHROMIUM and parse_offer(CHROMIUM.replace(old, new), "publish") == parse_offer(CHROMIUM, "publish")


@pytest.mark.parametrize("name", ["opus/48000/2", "opus/48000", "opus/48000/1", "OPUS/48000"])
def test_opus_is_opus_however_many_channels_are_written(name: str) -> None:
    """The answer repeats the rtpmap as the client wrote it, which it may compare; RED's too."""
    text = CHROMIUM.replace("opus/48000/2", name).replace("red/48000/2", "red/48000")
    offer = parse_offer(text, "publish", red=True)
    assert (offer.audio.opus_pt, offer.audio.red_pt) == (111, 63)
    answer = build_answer(offer, "publish", local(), OURS)
    assert f"a=rtpmap:111 {name.lower()}\r\n" in answer and "a=rtpmap:63 red/48000\r\n" in answer


def test_sections_of_kinds_yet_unknown_are_refused_alone() -> None:
    """The audio section is accepted whatever else the offer has."""
    offer = parse_offer(CHROMIUM.replace("m=video", "m=smell"), "publish")
    assert "\r\nm=smell 0 UDP/TLS/RTP/SAVPF 96 97\r\n" in build_answer(offer, "publish", local(), OURS)


def test_the_session_speaks_for_its_sections() -> None:
    """Direction, header extensions and all of the transport may stand before the first section."""
    moved = ("a=sendonly", "a=setup", "a=rtcp-mux", "a=extmap:", "a=ice-", "a=fingerprint")
    head, _, section = CHROMIUM[: CHROMIUM.index("m=video")].partition("m=audio")
    lines = section.splitlines(keepends=True)
    up = "".join(line for line in lines if line.startswith(moved))
    text = f"{head}{up}m=audio{''.join(line for line in lines if not line.startswith(moved))}"
    assert parse_offer(text, "publish") == parse_offer(f"{head}m=audio{section}", "publish")
    with pytest.raises(BadOffer, match="does not send"):
        parse_offer(text.replace("a=sendonly", "a=recvonly"), "publish")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("a=rtcp-mux", "rtcp-mux", "line 23, 'rtcp-mux', is not of the form"),
        ("m=video 9", "m=video", "'m=video UDP/TLS/RTP/SAVPF 96 97' is not of the form"),
        ("setup:actpass", "setup:holdconn", "'a=setup:holdconn' is none of"),
        ("AB:AB:AB", "AB:XY:AB", "'a=fingerprint:sha-256 AB:XY"),
        ("a=mid:0", "a=mid:a b", "'a=mid:a b' is not a token"),
        ("ufrag:wLpZ", "ufrag:w", "'a=ice-ufrag:w' is not well-formed"),
        ("v=0", '{"type": "offer"}', "line 1, .*type.* is not of the form"),
        ("v=0", "v=1", "but with 'v=1'"),
    ],
)
def test_an_error_names_the_line(old: str, new: str, said: str) -> None:
    """The error names the line that is wrong."""
    assert old in CHROMIUM
    with pytest.raises(BadOffer, match=said):
        parse_offer(CHROMIUM.replace(old, new, 1), "publish")


def test_no_mid_and_no_bundle_is_answered_alike() -> None:
    """A client of one section may leave both out."""
    text = "".join(line + "\n" for line in PLAIN.splitlines() if not line.startswith(("a=group", "a=mid")))
    answer = build_answer(parse_offer(text, "publish"), "publish", local(), OURS)
    assert "BUNDLE" not in answer and "a=mid" not in answer


def test_transport_may_be_that_of_the_bundle() -> None:
    """A bundle-only section of port 0 takes ICE and DTLS from the first of its bundle."""
    text = f"""v=0
a=group:BUNDLE v a
m=video 9 UDP/TLS/RTP/SAVPF 96
a=mid:v
a=rtcp-mux
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef0123456789abcdef
a=fingerprint:sha-256 {DIGEST}
a=setup:active
m=audio 0 UDP/TLS/RTP/SAVPF 7
a=mid:a
a=bundle-only
a=rtpmap:7 opus/48000/2
"""
    assert parse_offer(text, "publish").audio.opus_pt == 7


@pytest.mark.parametrize(
    "text",
    [
        CHROMIUM.replace("opus", "speex"),
        CHROMIUM.replace("111 63", "63"),
        CHROMIUM.replace("m=audio 9", "m=audio 0"),
        CHROMIUM.replace("opus/48000/2", "opus/44100/2"),
        CHROMIUM.replace("opus/48000/2", "opus/48000/6"),
        CHROMIUM[: CHROMIUM.index("m=audio")],
    ],
)
def test_without_opus_there_is_nothing_to_talk_about(text: str) -> None:
    """Another codec, another format, a refused section, no section: 406."""
    with pytest.raises(NoOpus):
        parse_offer(text, "publish")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        CHROMIUM.replace("a=sendonly", "a=recvonly"),
        CHROMIUM.replace("a=sendonly", "a=inactive"),
        CHROMIUM.replace("a=rtcp-mux", "a=x"),
        CHROMIUM.replace("a=ice-ufrag:wLpZ", "a=x"),
        CHROMIUM.replace("wLpZ", "w"),
        CHROMIUM.replace("R12GMF/TwHyMH6Uu/20zFYyT", "short"),
        CHROMIUM.replace("setup:actpass", "setup:holdconn"),
        CHROMIUM.replace("fingerprint:sha-256", "fingerprint:sha-1"),
        CHROMIUM.replace("AB:AB:AB", "AB:AB"),
        CHROMIUM.replace("AB:AB:AB", "AB:XY:AB"),
        CHROMIUM.replace("a=fingerprint", "a=finger"),
        CHROMIUM.replace("a=mid:0", "a=mid:a b"),
        CHROMIUM.replace("m=audio 9", "m=audio nine"),
        CHROMIUM.replace("m=video 9", "m=9"),
        CHROMIUM.replace("m=video 9", "m=video"),
        CHROMIUM.replace("v=0", "v=1"),
        CHROMIUM + "m=video 9 x 1\r\n" * 64,
        CHROMIUM.replace("a=rtcp-mux", "rtcp-mux"),
        CHROMIUM.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 RTP/NOTHING"),
        CHROMIUM.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 UDP/DTLS/SCTP"),
    ],
)
def test_a_bad_offer_says_so(text: str) -> None:
    """Each of the things that an offer must have, missing or broken: 422."""
    with pytest.raises(BadOffer):
        parse_offer(text, "publish")


@given(st.text(max_size=300), st.integers(0, len(CHROMIUM)), st.integers(0, 60))
@example("\r\nm=audio 9 x 999999999999999999999999", 700, 0)
@example("a=extmap:²  urn:ietf:params:rtp-hdrext:ssrc-audio-level", 0, 0)
@example(f"a=extmap:0001{'9' * 5000} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n", CHROMIUM.index("a=extmap:1"), 0)
@example(f"{'1' * 5000} 111\r\na=rtpmap:{'1' * 5000} opus/48000/2\r\na=x:", CHROMIUM.index("111 63"), 0)
@example("063 111\r\na=rtpmap:063 red/48000/2\r\na=x:", CHROMIUM.index("111 63"), 0)
def test_rubbish_in_an_offer_is_a_bad_offer(rubbish: str, at: int, cut: int) -> None:
    """No text raises another exception, or leads to an answer with broken lines."""
    for text in (rubbish, "v=0\r\n" + rubbish, CHROMIUM[:at] + rubbish + CHROMIUM[at + cut :]):
        try:
            answer = build_answer(parse_offer(text, "publish", red=True), "publish", local(), OURS)
            assert all(line[1] == "=" for line in answer.split("\r\n")[:-1])
            assert answer.count("\r") == answer.count("\n") == answer.count("\r\n")
        except (BadOffer, NoOpus):
            pass
        try:
            parse_fragment(text)
        except BadOffer:
            pass


def test_fragments_tell_a_restart_from_a_candidate() -> None:
    """Credentials at session or at media level; candidates of any kind are skipped."""
    assert parse_fragment("a=candidate:what ever\r\n") == Fragment(None, None)
    restart = parse_fragment("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n")
    assert restart == Fragment("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    text = build_fragment(parse_offer(CHROMIUM, "publish"), local(), OURS)
    assert parse_fragment(text) == Fragment(*OURS) and "a=mid:0" in text and "a=candidate:1 " in text


@pytest.mark.parametrize(
    ("bound", "announce", "used", "offered"),
    [
        (["127.0.0.1"], [], ["192.0.2.9"], ["127.0.0.1"]),
        (["127.0.0.1"], ["198.51.100.1"], [], ["127.0.0.1", "198.51.100.1"]),
        (["127.0.0.1", "192.0.2.1"], [], [], ["192.0.2.1"]),
        (["127.0.0.1", "192.0.2.1"], [], ["127.0.0.1"], ["127.0.0.1", "192.0.2.1"]),
        (["127.0.0.1", "192.0.2.1"], ["198.51.100.1"], ["203.0.113.5"], ["203.0.113.5", "192.0.2.1", "198.51.100.1"]),
        (["192.0.2.1"], [], ["192.0.2.1"], ["192.0.2.1"]),
        (["192.0.2.1"], ["2001:db8::1"], ["::1"], ["192.0.2.1"]),
        (["192.0.2.1", "::1"], ["2001:db8::1", "rubbish", "0.0.0.0"], [], ["192.0.2.1", "2001:db8::1"]),
    ],
)
def test_the_address_that_the_client_used_is_offered_first(
    bound: list[str], announce: list[str], used: list[str], offered: list[str]
) -> None:
    """Then the interfaces' own and the announced ones; loopback and foreign families only where they can work."""
    assert candidates(bound, 8081, announce, used) == [(each, 8081) for each in offered]


@pytest.mark.parametrize(
    ("listening", "used_port", "offered"),
    [
        ([("0.0.0.0", 8443)], 443, [("192.0.2.1", 8443), ("198.51.100.1", 443)]),
        ([("0.0.0.0", 8443), ("::", 8443)], 443, [("192.0.2.1", 8443), ("2001:db8::1", 8443), ("198.51.100.1", 443)]),
        ([("::", 8443)], 8443, [("192.0.2.1", 8443), ("2001:db8::1", 8443), ("198.51.100.1", 8443)]),
        ([("192.0.2.1", 443)], 443, [("192.0.2.1", 443), ("198.51.100.1", 443)]),
        ([("0.0.0.0", 443)], None, []),
        ([], 443, []),
    ],
)
def test_the_web_servers_port_is_offered_where_it_can_be_reached(
    listening: list[tuple[str, int]], used_port: int | None, offered: list[tuple[str, int]]
) -> None:
    """At our own addresses with the bound port, at a NAT's with the port that the client used, and not at all behind a proxy."""
    places = [("192.0.2.1", 8081), ("2001:db8::1", 8081), ("198.51.100.1", 8081)]
    assert web_candidates(places, ["192.0.2.1", "2001:db8::1"], listening, used_port) == offered


def test_the_web_servers_port_is_the_last() -> None:
    """UDP, then TCP at the media port, then the web server's; foundations differ, and no two priorities are the same."""
    places = [("192.0.2.1", 8081), ("192.0.2.2", 8081)]
    lines = [line.split() for line in candidate_lines(places, ("udp", "tcp"), [("192.0.2.1", 443)])[:-1]]
    assert [(line[2], int(line[5])) for line in lines] == [("udp", 8081)] * 2 + [("tcp", 8081)] * 2 + [("tcp", 443)]
    priorities = [int(line[3]) for line in lines]
    assert priorities == sorted(set(priorities), reverse=True) and len({line[0] for line in lines}) == 5
    assert lines[-1][-2:] == ["tcptype", "passive"]
    without_tcp = candidate_lines(places, ("udp",), [("192.0.2.1", 443)])
    assert [line.split()[2] for line in without_tcp[:-1]] == ["udp", "udp", "tcp"]
