"""Sound for tests and benchmarks: files in, Opus packets, and the measures by which a voice is judged."""

import wave
from pathlib import Path

import av
import numpy as np
from scipy.signal import correlate, correlation_lags

RATE_HZ = 48_000
Sound = np.ndarray  # float32[n] in [-1, 1], mono, 48 kHz


def read_wav(path: Path) -> Sound:
    """A 16-bit mono WAV file at 48 kHz."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def encode(sound: Sound, *, frame: int = 960, bitrate: int = 96_000, loss: int = 0) -> list[bytes]:
    """Opus packets of `frame` samples, as our page has the browser send them; the encoder's lookahead is 312 samples.

    loss: expected, in percent; from 1 on the packets carry FEC and libopus leaves CELT, which follows the wave, for SILK.
    """
    options = {"application": "audio", "frame_duration": f"{frame / 48:g}", "fec": "1", "packet_loss": f"{loss}"}
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate, encoder.options = RATE_HZ, "mono", "flt", bitrate, options
    packets = []
    for start in range(0, len(sound) - frame + 1, frame):
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, start : start + frame]), "flt", "mono")
        block.sample_rate, block.pts = RATE_HZ, start
        packets += [bytes(packet) for packet in encoder.encode(block)]
    return packets


def decode(packets: list[bytes]) -> Sound:
    """What a decoder without loss makes of the packets, one after the other."""
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = RATE_HZ, "mono"
    blocks = [frame.to_ndarray() for payload in packets for frame in decoder.decode(av.Packet(payload))]
    sound = np.concatenate([block.reshape(-1) for block in blocks])
    return sound.astype(np.float32) / (32768 if sound.dtype == np.int16 else 1)


def delay_of(late: Sound, early: Sound, most: int = RATE_HZ) -> int:
    """By how many samples `late` trails `early`, by cross-correlation; both ways up to `most`."""
    lags = correlation_lags(len(late), len(early))
    strength = np.abs(correlate(late, early, method="fft"))
    strength[np.abs(lags) > most] = 0
    return int(lags[np.argmax(strength)])


def si_sdr(clean: Sound, heard: Sound) -> float:
    """Scale-invariant SDR in dB of two aligned sounds (Le Roux et al., SDR - half-baked or well done?, 2019)."""
    clean, heard = clean - clean.mean(), heard - heard.mean()
    target = clean * float(heard @ clean) / max(float(clean @ clean), 1e-12)
    return 10 * float(np.log10(max(float(target @ target), 1e-12) / max(float(np.sum((heard - target) ** 2)), 1e-12)))


def segment_si_sdr(clean: Sound, heard: Sound, segment_s: float = 1.0, search: int = 4800) -> list[float]:
    """SI-SDR of each segment of `clean` that has a voice in it, each aligned by itself (a player may stretch time).

    `heard` must be roughly aligned: within `search` samples.
    """
    length, out = int(segment_s * RATE_HZ), []
    loud = np.sqrt(np.mean(clean**2)) * 0.3
    for start in range(0, len(clean) - length + 1, length):
        piece = clean[start : start + length]
        if np.sqrt(np.mean(piece**2)) < loud:
            continue
        low, high = max(0, start - search), min(len(heard), start + length + search)
        around = heard[low:high]
        if len(around) < length:
            continue
        power = np.cumsum(np.concatenate([[0.0], around.astype(np.float64) ** 2]))
        likeness = correlate(around, piece, mode="valid", method="fft") ** 2 / np.maximum(power[length:] - power[:-length], 1e-9)
        lag = int(np.argmax(likeness))  # by shape: elsewhere it may be louder
        out.append(si_sdr(piece, around[lag : lag + length]))
    return out
