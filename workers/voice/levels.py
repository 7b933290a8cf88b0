"""How loud a sound is."""

from math import log10

import numpy as np

from workers.denoiser import Sound

SILENCE_DBFS = -127.0  # the quietest that RFC 6464 can tell


def dbfs(sound: Sound) -> float:
    """Level of float32[n] in dB relative to full scale (a square wave of 1.0 is 0), at least SILENCE_DBFS."""
    power = float(np.dot(sound, sound)) / max(len(sound), 1)
    return max(10 * log10(power), SILENCE_DBFS) if power > 0 else SILENCE_DBFS
