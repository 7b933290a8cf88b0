"""Sound and packets for the workers' tests."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from workers.denoiser import BLOCK, RATE_HZ, Sound, VoiceState
from workers.link.ring import Packet
from workers.plugins.passthrough import Passthrough
from workers.voice.opus import Decoder, Encoder


def voice(seconds: float, seed: int = 1) -> Sound:
    """Something speech-like: noise of 100-3000 Hz whose loudness goes up and down; whole packets of 120 ms."""
    count = int(seconds * RATE_HZ) // 5760 * 5760
    noise = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    rate = np.fft.rfftfreq(count, 1 / RATE_HZ)
    noise[(rate < 100) | (rate > 3000)] = 0
    sound = np.fft.irfft(noise) * (0.6 + 0.4 * np.sin(np.arange(count) * 2 * np.pi * 3 / RATE_HZ))
    return (0.2 * sound / sound.std()).astype(np.float32)


def packets(sound: Sound, samples: int = 960, loss_percent: int = 0) -> list[Packet]:
    """The sound as a sender makes it."""
    encoder = Encoder(bitrate=96_000, loss_percent=loss_percent)
    made = [
        Packet(number, number * samples, samples, 1000 + number, encoder.encode(sound[number * samples : (number + 1) * samples]))
        for number in range(len(sound) // samples)
    ]
    encoder.close()
    return made


def decoded(received: Iterable[Packet]) -> Sound:
    """What a listener hears."""
    decoder = Decoder()
    sound = np.concatenate([decoder.decode(packet.payload) for packet in received])
    decoder.close()
    return sound


def lag(before: Sound, after: Sound) -> int:
    """Samples by which `after` trails `before`, by their cross-correlation."""
    size = 2 * max(len(before), len(after))
    both = np.fft.irfft(np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size)))
    at = int(np.argmax(both))
    return at if at < size // 2 else at - size


def places(received: Iterable[Packet]) -> list[tuple[int, int, int]]:
    return [(packet.number, packet.time, packet.samples) for packet in received]


class Slow(Passthrough):
    """As late as DeepFilterNet3, and nothing else."""

    latency, latency_ms = 1440, 30.0

    def open(self) -> VoiceState:
        return [np.zeros(self.latency, dtype=np.float32)]

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        rows = []
        for held, row in zip(voices, noisy, strict=True):
            both = np.concatenate((held[0], row))
            held[0] = both[BLOCK:]
            rows.append(both[:BLOCK])
        return np.stack(rows)


class Paired(Slow):
    """The same, and takes two blocks of each voice in a call. Notes how many it was given."""

    blocks = 2

    def __init__(self, options: Mapping[str, object]) -> None:
        self.given: list[int] = []

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        self.given.append(noisy.shape[1] // BLOCK)
        assert 1 <= self.given[-1] <= self.blocks
        return np.concatenate([super(Paired, self).clean(voices, block) for block in np.split(noisy, self.given[-1], axis=1)], axis=1)


class Sluggish(Passthrough):
    """Takes 13 ms for a block of 10 as long as the file `slow_while` is there."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._slow_while = str(options.get("slow_while", ""))

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        if os.path.exists(self._slow_while):
            time.sleep(0.013)
        return noisy.copy()


class Fussy(Passthrough):
    """Gives no numbers to a voice that is louder than 0.9, and chokes on all of them where one is beyond 2."""

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        if np.abs(noisy).max() > 2:
            raise RuntimeError("too loud")
        clean = noisy.copy()
        clean[np.abs(noisy).max(axis=1) > 0.9] = np.nan
        return clean


class Threaded(Passthrough):
    """Starts a thread when it is loaded, which no fork survives."""

    def __init__(self, options: Mapping[str, object]) -> None:
        threading.Thread(target=time.sleep, args=(60,), name="a stray", daemon=True).start()


class Broken(Passthrough):
    """Gives no numbers from the twentieth block on."""

    def open(self) -> VoiceState:
        return [0]

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        voices[0][0] += 1
        return noisy * np.float32("nan" if voices[0][0] > 20 else 1)


class Silencer(Passthrough):
    """Takes everything out."""

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        return noisy * np.float32(0)


class Raising(Passthrough):
    """Cannot be loaded."""

    def __init__(self, options: Mapping[str, object]) -> None:
        raise RuntimeError("not today")


class Deadly(Passthrough):
    """Takes its process along when it is loaded."""

    def __init__(self, options: Mapping[str, object]) -> None:
        os._exit(3)


class Fleeting(Passthrough):
    """Can be loaded, and takes each forked worker along before that is ready."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._loaded_in = os.getpid()

    def open(self) -> VoiceState:
        if os.getpid() != self._loaded_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return []
