"""A voice that nobody recorded, for benches in a checkout without sound: always the same, as speech is as far as denoisers can tell.

Pulses of a gliding pitch through moving formants, syllables, hissing consonants and pauses between phrases; and that voice in
a room's noise: a fan, its hum, and somebody typing. Both are files of the same length, 48 kHz, 16 bits, mono.
"""

import wave
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from tests.support.sound import RATE_HZ, Sound

SECONDS = 10.5
SNR_DB = 6.0
VERSION = 1  # of the sound; another number makes it anew
_FRAME = RATE_HZ // 200  # formants and pitch are drawn every 5 ms
# Formants in Hz of a, e, i, o, u, after Peterson and Barney, Control Methods Used in a Study of the Vowels, 1952 (men, rounded).
_VOWELS = np.array([(730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240)], float)
_WIDTHS_HZ = (80.0, 100.0, 130.0, 200.0, 250.0)  # of these and two that stay
_HISS = 0.004
_PHRASES = ((0.5, 7), (2.6, 9), (5.4, 6), (7.4, 10))  # when each begins, and how many syllables it has
_SYLLABLE_S, _HISS_S = 0.2, 0.06


def folder(cache: Path) -> Path:
    """CACHE/bench/sound-N with clean.wav and noisy.wav, made where it is not there yet."""
    place = cache / "bench" / f"sound-{VERSION}"
    if not (place / "noisy.wav").is_file():
        place.mkdir(parents=True, exist_ok=True)
        clean, noise = voice(), room()
        noise *= np.sqrt(np.mean(clean**2) / np.mean(noise**2)) * 10 ** (-SNR_DB / 20)
        for name, sound in (("clean.wav", clean), ("noisy.wav", clean + noise)):  # the noisy one last: it stands for both
            _write(place / name, sound)
    return place


def voice() -> Sound:
    """The clean one, float32[SECONDS], its peak at half of full scale."""
    chance = np.random.default_rng(7)
    frames = int(SECONDS * RATE_HZ) // _FRAME
    loud, hiss = np.zeros(frames), np.zeros(frames)
    pitch, formants = np.full(frames, 120.0), np.tile(_VOWELS[0], (frames, 1))
    length = int(_SYLLABLE_S * 200)
    for begin_s, syllables in _PHRASES:
        for number in range(syllables):
            first = int(begin_s * 200) + number * length
            at, along = slice(first, first + length), np.linspace(0, 1, length)
            loud[at] = np.sin(np.pi * along) ** 0.5 * chance.uniform(0.5, 1.0)
            before, after = _VOWELS[chance.integers(len(_VOWELS), size=2)]
            formants[at] = before + (after - before) * (3 * along**2 - 2 * along**3)[:, None]
            pitch[at] = (155 - 50 * number / syllables) * (1 + 0.08 * np.sin(2 * np.pi * along + number))
            if chance.random() < 0.6:
                hiss[first : first + int(_HISS_S * 200)] = chance.uniform(0.3, 1.0)
    sound = _mouth(_throat(loud, pitch, chance), formants) + _hissed(hiss, chance)
    return (0.5 * sound / np.max(np.abs(sound))).astype(np.float32)


def _throat(loud: Sound, pitch: Sound, chance: np.random.Generator) -> Sound:
    """Pulses at an unsteady pitch, and breath: what the mouth then shapes."""
    count = len(pitch) * _FRAME
    hz = np.repeat(pitch, _FRAME)
    hz *= 1 + 0.01 * np.interp(np.arange(count), np.arange(0, count, 400), chance.standard_normal(-(-count // 400)))
    turn = np.cumsum(hz) / RATE_HZ % 1
    flow = np.where(turn < 0.4, np.sin(np.pi * turn / 0.4) ** 2, np.where(turn < 0.56, np.cos(np.pi * (turn - 0.4) / 0.32) ** 2, 0.0))
    pulses = np.diff(flow, prepend=0.0)
    breath = 0.004 * chance.standard_normal(count) * (0.3 + flow)
    smooth = np.interp(np.arange(count), np.arange(len(loud)) * _FRAME, loud)
    return (pulses + breath) * smooth


def _mouth(source: Sound, formants: Sound) -> Sound:
    """One resonance after the other, moved every 5 ms."""
    every = np.column_stack((formants, np.full(len(formants), 3_500.0), np.full(len(formants), 4_500.0)))
    for number, width_hz in enumerate(_WIDTHS_HZ):
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        kept, pieces = np.zeros(2), []
        for frame, hz in enumerate(every[:, number]):
            poles = [1.0, -2 * radius * np.cos(2 * np.pi * hz / RATE_HZ), radius**2]
            piece, kept = lfilter([sum(poles)], poles, source[frame * _FRAME : (frame + 1) * _FRAME], zi=kept)
            pieces.append(piece)
        source = np.concatenate(pieces)
    return source


def _hissed(hiss: Sound, chance: np.random.Generator) -> Sound:
    """Consonants: noise from 3 to 9 kHz, where `hiss` says how loud."""
    count = len(hiss) * _FRAME
    spectrum = np.fft.rfft(chance.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum[(hz < 3_000) | (hz > 9_000)] = 0
    return _HISS * np.fft.irfft(spectrum, count) * np.interp(np.arange(count), np.arange(len(hiss)) * _FRAME, hiss)


def room() -> Sound:
    """What is to be taken out, float32[SECONDS]; how loud is the caller's."""
    chance, count = np.random.default_rng(11), int(SECONDS * RATE_HZ)
    seconds = np.arange(count) / RATE_HZ
    spectrum = np.fft.rfft(chance.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 80.0))  # pink above 80 Hz
    fan = np.fft.irfft(spectrum, count)
    fan *= (1 + 0.3 * np.sin(2 * np.pi * 0.7 * seconds)) / np.std(fan)
    hum = sum(np.sin(2 * np.pi * hz * seconds) / at for at, hz in enumerate((100.0, 200.0, 300.0), 1))
    keys = np.zeros(count)
    for at in chance.integers(0, count - 2_000, size=30):
        keys[at : at + 2_000] += 3 * chance.standard_normal(2_000) * np.exp(-np.arange(2_000) / 250)
    return (fan + 0.5 * hum + keys).astype(np.float32)


def _write(place: Path, sound: Sound) -> None:
    """Whole or not at all."""
    draft = place.with_suffix(".draft")
    with wave.open(str(draft), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(sound, -1, 1) * 32767).round().astype("<i2").tobytes())
    draft.replace(place)
