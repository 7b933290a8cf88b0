"""Mute in ingest: no sound passes, and numbers, times and durations stay as they are."""

import numpy as np
import pytest

from sfu.ingest.mute import MAX_REORDERING, Mute, silent_packet
from sfu.wire import red
from tests.sfu.ingest.test_ingest import OPUS, RED, Rig
from tests.support.spoken import packets_of
from workers.link.opus_toc import opus_samples
from workers.voice.opus import Decoder


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60])
def test_what_stands_for_a_muted_packet_is_silence_of_its_length(frame_ms: float, channels: int) -> None:
    """After speech in any mode, whatever its frames, 5 ms fade out and then there is nothing; the channels stay."""
    decoder, samples = Decoder(), int(frame_ms * 48)
    try:
        for payload in packets_of(0.3, frame_ms, channels):
            decoder.decode(payload)
        silence = silent_packet(payload[0], samples)
        assert opus_samples(silence) == samples and silence[0] & 4 == payload[0] & 4
        heard = np.concatenate([decoder.decode(silence) for _ in range(6000 // samples + 1)])
        assert len(heard) % samples == 0 and np.abs(heard[1440:]).max() < 1e-3
    finally:
        decoder.close()


@pytest.mark.parametrize("quanta", range(1, 49))
def test_every_length_that_a_packet_may_have_can_be_silent(quanta: int) -> None:
    """From 2.5 to 120 ms, each decodes to exactly that many samples of nothing."""
    decoder = Decoder()
    try:
        sound = decoder.decode(silent_packet(0xFC, quanta * 120))
        assert len(sound) == quanta * 120 and np.abs(sound).max() < 1e-9
    finally:
        decoder.close()


def test_muted_packets_keep_number_and_time_and_lose_sound_and_level() -> None:
    """What is said while muted is replaced, packet by packet; before and after it everything goes on as it came."""
    rig = Rig()
    for n in range(40):
        if n in (10, 30):
            rig.ingest.mute(n == 10)
        rig.send(n)
    assert [(packet.number, packet.time) for packet in rig.out] == [(n, 960 * n) for n in range(40)]
    silent = [packet.number for packet in rig.out if packet.payload == silent_packet(0xFC, 960)]
    assert silent == list(range(10, 31))  # and the first after it, whose in-band FEC would repeat the one before
    assert all((packet.original_dbfs == -127.0) is (packet.number in silent) for packet in rig.out)
    assert rig.ingest.received == 40 and rig.ingest.dropped == 0


def test_what_waited_for_another_when_mute_came_is_silent_too() -> None:
    """A packet that came before the mute and waits behind a gap is silenced too."""
    rig = Rig()
    for n in (0, 1, 3):
        rig.send(n)
    rig.ingest.mute(True)
    rig.at(200)
    assert [packet.number for packet in rig.out] == [0, 1, 3]
    assert rig.out[-1].payload == silent_packet(0xFC, 960)


def test_what_was_said_while_muted_does_not_come_after_it() -> None:
    """A muted packet that is late, or lost and recovered out of RED once it is lifted, is silence; the next ones are heard."""
    rig = Rig()
    for n in range(4):
        rig.send(n)
    rig.ingest.mute(True)
    rig.send(4)
    rig.send(7)  # 5 is late, 6 is lost
    rig.ingest.mute(False)
    rig.send(5, 145)
    blocks = [(960 * back, bytes([0xFC, 8 - back])) for back in (2, 1)]
    rig.send(8, 160, pt=RED, payload=red.build(OPUS, bytes([0xFC, 8]), blocks))
    for n in (9, 10):
        rig.send(n)
    assert rig.ingest.recovered == 1
    assert [packet.number for packet in rig.out] == list(range(11))
    assert [packet.number for packet in rig.out if packet.payload != silent_packet(0xFC, 960)] == [0, 1, 2, 3, 9, 10]


def test_another_client_that_takes_over_is_muted_from_its_first_packet() -> None:
    """No sound passes the mute after another SSRC with other numbers, another payload type, or a jump."""
    rig = Rig()
    rig.send(0)
    rig.ingest.mute(True)
    rig.attach()
    for n in range(1, 5):
        rig.send(n, ssrc=9, base=20_000)
    assert [packet.payload for packet in rig.out[1:]] == [silent_packet(0xFC, 960)] * 4


def test_an_unmuting_forgets_how_far_it_reached() -> None:
    """A sequence that comes again after a wrap of the numbers is heard."""
    mute = Mute()
    mute.switch(True, 100)
    mute.switch(False, 200)
    assert [mute.silences(number) for number in (150, 201, 202, 201)] == [True, True, False, True]
    assert not mute.silences(202 + MAX_REORDERING)
    assert not mute.silences(150)
