"""libopus by ctypes."""

from pathlib import Path

import numpy as np
import pytest

from tests.workers.speech import lag, packets, voice
from workers.errors import OpusMissing
from workers.link.opus_toc import opus_samples
from workers.voice import opus
from workers.voice.opus import APPLICATIONS, DURATIONS, Decoder, Encoder, OpusError, has_fec, joined
from workers.voice.pipeline import dbfs


@pytest.mark.parametrize("application", APPLICATIONS)
def test_lookahead(application: str) -> None:
    """What is decoded trails what was encoded by the samples that the encoder says, give or take what its codec blurs."""
    sound, encoder, decoder = voice(2), Encoder(application), Decoder()
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in sound.reshape(-1, 960)])
    assert encoder.lookahead == {"voip": 312, "audio": 312, "lowdelay": 120}[application]
    assert abs(lag(sound, heard) - encoder.lookahead) <= (0 if application != "voip" else 6)
    encoder.close()
    decoder.close()


@pytest.mark.parametrize("samples", [*DURATIONS, 360, 1440, 2400])
def test_durations(samples: int) -> None:
    """A packet of any duration that Opus has says it, and decodes to as many samples."""
    encoder, decoder = Encoder(), Decoder()
    packet = encoder.encode(voice(0.3)[:samples])
    assert opus_samples(packet) == samples == len(decoder.decode(packet))
    encoder.close()
    decoder.close()


@pytest.mark.parametrize("samples", [0, 1, 100, 961, 5880, 48_000])
def test_impossible_durations(samples: int) -> None:
    """Other lengths are refused."""
    encoder = Encoder()
    with pytest.raises(OpusError):
        encoder.encode(np.zeros(samples, np.float32))
    encoder.close()


def test_fec_on_demand() -> None:
    """Packets carry their predecessor where listeners lose some, and not where they do not."""
    sound = voice(1)
    assert not any(has_fec(packet.payload) for packet in packets(sound))
    assert sum(has_fec(packet.payload) for packet in packets(sound, loss_percent=10)) > 20


def test_settings() -> None:
    """Complexity and loss can be changed while it runs; values out of range are refused."""
    encoder = Encoder()
    encoder.complexity, encoder.loss_percent = 3, 20
    assert (encoder.complexity, encoder.loss_percent) == (3, 20)
    with pytest.raises(OpusError):
        encoder.complexity = 11
    encoder.close()
    encoder.close()


def test_independent() -> None:
    """A packet coded without looking back is no louder for who begins with it."""
    sound, encoder, decoder = voice(1)[5760:], Encoder(), Decoder()
    encoder.encode(np.zeros(960, np.float32))
    encoder.independent(True)
    first = decoder.decode(encoder.encode(sound[:960]))
    assert dbfs(first) < dbfs(sound[:960]) + 3
    encoder.close()
    decoder.close()


def test_concealment() -> None:
    """A decoder makes up as many samples as are asked for, and less and less of them."""
    decoder = Decoder()
    for packet in packets(voice(0.5)):
        decoder.decode(packet.payload)
    made_up = [decoder.conceal(960) for _ in range(30)]
    assert all(len(sound) == 960 and np.isfinite(sound).all() for sound in made_up)
    assert dbfs(made_up[-1]) < dbfs(made_up[0]) - 20
    decoder.close()


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"\x03\xff\xff", bytes([3, 63])])
def test_garbage(garbage: bytes) -> None:
    """What is no packet is said to be none."""
    decoder = Decoder()
    with pytest.raises(OpusError):
        decoder.decode(garbage)
    decoder.close()


def test_joined_differently() -> None:
    """Frames of different kinds do not make one packet."""
    celt, silk = packets(voice(0.2), 480)[0].payload, packets(voice(0.2), 960)[0].payload
    with pytest.raises(OpusError):
        joined([celt, silk])


def test_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without libopus the error says what to install; a file that is no library is passed over."""
    fake = tmp_path / "libopus.so"
    fake.write_bytes(b"no library")
    monkeypatch.setattr(opus, "_places", lambda: [str(fake), "/nowhere/libopus.so"])
    opus.library.cache_clear()
    with pytest.raises(OpusMissing, match="libopus0"):
        opus.library()
    opus.library.cache_clear()
