"""RTP, RTCP and RED: against aiortc's own builders, and against rubbish."""

import math
import struct

import pytest
from aiortc import rtp as other
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import red, rtcp, rtp

words = st.integers(0, 0xFFFFFFFF)
shorts = st.integers(0, 0xFFFF)


@given(st.integers(0, 127), st.booleans(), shorts, words, words, st.binary(max_size=100))
def test_a_packet_comes_back_as_it_was_built(kind: int, marker: bool, seq: int, time: int, ssrc: int, payload: bytes) -> None:
    """Parsing undoes building, with and without an audio level."""
    plain = rtp.parse(rtp.build(kind, seq, time, ssrc, payload, marker=marker))
    assert plain[:6] == (kind, marker, seq, time, ssrc, payload) and math.isnan(plain.level_dbfs)
    levelled = rtp.parse(rtp.build(kind, seq, time, ssrc, payload, extensions={4: b"0", 1: bytes([0x80 | 30])}), 1)
    assert levelled.payload == payload and levelled.level_dbfs == -30


def test_packets_of_another_implementation_are_read() -> None:
    """CSRCs, padding and extensions as aiortc writes them."""
    packet = other.RtpPacket(payload_type=111, marker=1, sequence_number=65535, timestamp=7, ssrc=9, payload=b"voice")
    packet.csrc, packet.padding_size = [1, 2], 5
    known = other.HeaderExtensionsMap()
    known._HeaderExtensionsMap__ids.audio_level = 3  # type: ignore[attr-defined]
    packet.extensions.audio_level = (True, 42)
    parsed = rtp.parse(packet.serialize(known), 3)
    assert parsed == (111, True, 65535, 7, 9, b"voice", -42.0)


@pytest.mark.parametrize(
    ("profile", "value", "found"),
    [
        (0xBEDE, b"\x10\x1e\x00\x00", b"\x1e"),
        (0xBEDE, b"\x00\x00\x10\x1e", b"\x1e"),
        (0xBEDE, b"\x21ab\x10\x1e", b"\x1e"),
        (0xBEDE, b"\xf0\x00\x10\x1e", None),
        (0xBEDE, b"\x01ab\x10\x1e", None),
        (0xBEDE, b"\x10\x1e\x03ab\x00", b"\x1e"),
        (0xBEDE, b"\x1f\x1e\x00\x00", None),
        (0x1000, b"\x01\x01\x1e\x00", b"\x1e"),
        (0x1000, b"\x02\x00\x01\x01\x1e", b"\x1e"),
        (0x1000, b"\x00\x00\x00\x01", None),
        (0x1234, b"\x10\x1e\x00\x00", None),
    ],
)
def test_extensions_are_found_in_both_forms(profile: int, value: bytes, found: bytes | None) -> None:
    """One-byte and two-byte forms, padding between elements, padding that claims a length, the reserved id and cut values."""
    assert rtp.find_extension(profile, value, 1) == found


@given(st.binary(max_size=80), st.integers(1, 14))
def test_rubbish_is_a_value_error(rubbish: bytes, level_id: int) -> None:
    """RTP, RTCP and RED parsers raise ValueError and nothing else."""
    for body in (rubbish, b"\x90" + rubbish, b"\xbf" + rubbish):
        for parser in (lambda x: rtp.parse(x, level_id), rtcp.parse, red.parse):
            try:
                parser(body)
            except ValueError:
                pass


@given(st.sampled_from([200, 201, 202, 203, 205, 206, 207]), st.integers(0, 63), st.binary(max_size=120))
def test_rubbish_in_rtcp_of_known_kinds_is_a_value_error(kind: int, count: int, body: bytes) -> None:
    """Counts and padding bits that lie about the body are noticed."""
    body += bytes(-len(body) % 4)
    try:
        rtcp.parse(struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body)
    except ValueError:
        pass


@given(st.integers(), st.integers(-(1 << 15), (1 << 15) - 1))
def test_sequences_unwrap_to_the_nearest(near: int, step: int) -> None:
    """16 bits tell steps of up to half of 2**16."""
    assert rtp.unwrap_sequence(near + step & 0xFFFF, near) == near + step
    assert rtp.sequence_step(near + step & 0xFFFF, near & 0xFFFF) == step


@given(st.integers(), st.integers(-(1 << 31), (1 << 31) - 1))
def test_timestamps_unwrap_to_the_nearest(near: int, step: int) -> None:
    """32 bits tell steps of up to half of 2**32."""
    assert rtp.unwrap_timestamp(near + step & 0xFFFFFFFF, near) == near + step


def test_reports_are_read_by_another_implementation() -> None:
    """SR, RR, SDES, NACK and BYE in one compound packet, parsed by aiortc and by us."""
    report = rtcp.Report(5, 12, -3, 70000, 9, 1, 2)
    compound = b"".join(
        [
            rtcp.build_sender_report(1, 1 << 40, 2, 3, 4),
            rtcp.build_receiver_report(1, [report]),
            rtcp.build_cname(1, "hushcast"),
            rtcp.build_nack(1, 5, [60000, 60001, 60016, 60100]),
            bytes.fromhex("81cb000100000001"),  # BYE, which we never send
        ]
    )
    theirs = other.RtcpPacket.parse(compound)
    assert b"".join(map(bytes, theirs)) == compound
    assert theirs[1].reports[0].packets_lost == -3 and theirs[3].lost == [60000, 60001, 60016, 60100]  # type: ignore[union-attr]
    assert rtcp.parse(compound) == [
        rtcp.SenderReport(1, 1 << 40, 2, 3, 4),
        rtcp.ReceiverReport(1, (report,)),
        rtcp.Nack(1, 5, (60000, 60001, 60016, 60100)),
        rtcp.Bye((1,)),
    ]


@given(st.lists(st.integers(0, 60000), unique=True, max_size=40).map(sorted))
def test_a_nack_asks_for_what_is_missing_and_nothing_else(missing: list[int]) -> None:
    """Any set of sequences survives the bit masks."""
    assert rtcp.parse(rtcp.build_nack(1, 2, missing)) == [rtcp.Nack(1, 2, tuple(missing))]


def test_ntp_times_begin_in_1900() -> None:
    """Half a second after the Unix epoch."""
    assert rtcp.ntp_of(500_000_000) == (rtcp.NTP_EPOCH_S << 32) + (1 << 31)
    assert rtcp.ntp_middle(rtcp.ntp_of(500_000_000)) == (rtcp.NTP_EPOCH_S & 0xFFFF) << 16 | 0x8000


@given(st.binary(max_size=50), st.lists(st.tuples(st.integers(1, 16383), st.binary(min_size=1, max_size=50)), max_size=5))
def test_red_carries_earlier_packets(primary: bytes, earlier: list[tuple[int, bytes]]) -> None:
    """Blocks come out in the order in which they went in, the primary last."""
    blocks = red.parse(red.build(111, primary, earlier))
    assert blocks == [red.Block(111, *block) for block in earlier] + [red.Block(111, 0, primary)]


def test_red_leaves_out_what_does_not_fit_its_fields() -> None:
    """Too old, too long and empty blocks are not sent."""
    assert red.parse(red.build(111, b"now", [(16384, b"old"), (960, bytes(1024)), (960, b"")])) == [red.Block(111, 0, b"now")]


def test_a_nack_reaches_across_the_wrap() -> None:
    """Sequence 0 follows 65535 in one mask."""
    assert rtcp.parse(rtcp.build_nack(1, 2, [65534, 65535, 0, 100])) == [rtcp.Nack(1, 2, (65534, 65535, 0, 100))]
