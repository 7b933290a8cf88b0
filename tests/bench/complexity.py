"""`python -m tests.bench.complexity`: what each Opus complexity costs on a denoised voice, and what it leaves of it.

All eleven encoders get every packet, in an order that changes, so that what else the machine does hits all alike. What is decoded
is held against the clean file (PESQ-wb, SI-SDR) and against the denoised sound before it was encoded (SI-SDR).
"""

import argparse
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from pesq import pesq
from scipy.signal import resample_poly

from tests.bench import places
from tests.bench.arguments import given
from tests.bench.engines import made
from tests.support.sound import Sound, read_wav, si_sdr
from workers.voice.opus import Decoder, Encoder

COMPLEXITIES = range(11)
PACKET = 960


class Mode(NamedTuple):
    """An encoder's settings, as `Encoder` takes them."""

    application: str
    bitrate: int
    loss_percent: int


MODES = (Mode("audio", 96_000, 0), Mode("audio", 96_000, 10), Mode("voip", 32_000, 0))


def encoded(sound: Sound, mode: Mode, rounds: int) -> list[tuple[float, Sound]]:
    """Of each complexity: microseconds a packet, the median of all, and the decoded sound, aligned."""
    found, chance = [], np.random.default_rng(1)
    encoders = [Encoder(mode.application, mode.bitrate, complexity, mode.loss_percent) for complexity in COMPLEXITIES]
    took: list[list[int]] = [[] for _ in encoders]
    payloads: list[list[bytes]] = [[] for _ in encoders]
    padded = np.concatenate((sound, np.zeros(2 * PACKET - len(sound) % PACKET, np.float32)))
    for turn in range(rounds):
        for at in range(0, len(padded), PACKET):
            for number in chance.permutation(len(encoders)):  # else some would always find their code in the cache
                begin = time.perf_counter_ns()
                payload = encoders[number].encode(padded[at : at + PACKET])
                took[number].append(time.perf_counter_ns() - begin)
                if turn == 0:
                    payloads[number].append(payload)
    for encoder, times, packets in zip(encoders, took, payloads, strict=True):
        decoder = Decoder()
        heard = np.concatenate([decoder.decode(packet) for packet in packets])[encoder.lookahead :]
        found.append((median(times) / 1000, heard[: len(sound)]))
        decoder.close()
        encoder.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.complexity")
    parser.add_argument("--audio", type=Path, default=given("AUDIO"), metavar="FOLDER")
    parser.add_argument("--models", type=Path, default=given("MODELS"), metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    asked.audio, asked.models = places.sound(asked.audio), places.weights(asked.models)
    noisy, clean = (read_wav(find(asked.audio)) for find in (places.noisy, places.clean))
    denoised = made("deepfilternet3", asked.models).whole(noisy)
    low_clean = resample_poly(clean, 1, 3)
    print("| mode | complexity | µs a packet | of complexity 10 | PESQ-wb | SI-SDR to clean | to denoised |\n|---|---|---|---|---|---|---|")
    best = pesq(16_000, low_clean, resample_poly(denoised, 1, 3), "wb")
    print(f"| not encoded | | | | {best:.3f} | {si_sdr(clean, denoised):.2f} dB | |")
    for mode in MODES:
        found = encoded(denoised, mode, asked.rounds)
        name = f"{mode.application}, {mode.bitrate // 1000} kb/s" + (", FEC" if mode.loss_percent else "")
        for complexity, (cost_us, heard) in enumerate(found):
            quality = pesq(16_000, low_clean, resample_poly(heard, 1, 3), "wb")
            share = cost_us / found[-1][0]
            near, far = si_sdr(denoised, heard), si_sdr(clean, heard)
            print(f"| {name} | {complexity} | {cost_us:.0f} | {share:.2f} | {quality:.3f} | {far:.2f} dB | {near:.2f} dB |", flush=True)


if __name__ == "__main__":
    main()
