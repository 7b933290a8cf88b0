"""The duration and the channels of Opus packets, for every table-of-contents byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.spoken import packets_of
from workers.link.opus_toc import LONGEST_PACKET, opus_is_stereo, opus_samples

# Table 2 of RFC 6716: the frame sizes of each configuration, in samples at 48 kHz.
SILK, HYBRID, CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)
FRAMES = (*SILK * 3, *HYBRID * 2, *CELT * 4)


@pytest.mark.parametrize(("config", "frame"), list(enumerate(FRAMES)))
def test_a_frame_lasts_as_long_as_its_configuration_says(config: int, frame: int) -> None:
    """Code 0 is one frame, codes 1 and 2 are two, whatever the channels and the bytes that follow."""
    for code, frames in ((0, 1), (1, 2), (2, 2)):
        for stereo in (0, 4):
            toc = bytes([config << 3 | stereo | code])
            assert opus_samples(toc) == opus_samples(toc + b"\xff rest") == frame * frames


@pytest.mark.parametrize(("config", "frame"), list(enumerate(FRAMES)))
def test_code_3_has_a_count_of_frames(config: int, frame: int) -> None:
    """Its lower six bits are the count; none at all, and more than 120 ms, is malformed. So at most 48 frames are well-formed."""
    toc = bytes([config << 3 | 3])
    for count in range(64):
        samples = frame * count if count and frame * count <= 5760 else 0
        for flags in (0x00, 0x40, 0x80, 0xC0):  # padding, and a variable bit rate
            assert opus_samples(toc + bytes([flags | count])) == samples
    assert max(count for count in range(64) if opus_samples(toc + bytes([count]))) == 5760 // frame <= 48


@pytest.mark.parametrize("config", range(32))
def test_what_is_cut_short_lasts_for_no_time(config: int) -> None:
    """A packet without a byte, and one of code 3 without its count, are malformed."""
    assert opus_samples(b"") == opus_samples(bytes([config << 3 | 3])) == 0


@given(st.binary(max_size=80))
def test_no_packet_lasts_longer_than_the_rfc_allows(rubbish: bytes) -> None:
    """Whatever bytes there are, the duration is whole frames of 2.5 ms, at most 120 ms."""
    samples = opus_samples(rubbish)
    assert 0 <= samples <= LONGEST_PACKET and samples % 120 == 0


@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60])
def test_packets_of_an_encoder_last_as_long_as_their_frames(frame_ms: float) -> None:
    """libopus' own packets, of every frame size."""
    assert {opus_samples(payload) for payload in packets_of(0.5, frame_ms)} == {int(48 * frame_ms)}


@pytest.mark.parametrize("toc", range(256))
def test_the_third_bit_is_stereo(toc: int) -> None:
    """One bit of the TOC byte tells one channel from two."""
    assert opus_is_stereo(bytes([toc])) == (toc >> 2 & 1 == 1)
