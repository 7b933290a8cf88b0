"""What the tests of the page say is missing in a sound that was made so."""

import numpy as np
import pytest

from tests.browser.overhearing import silent_s, skipped_s, spoken
from tests.support.sound import RATE_HZ, Sound

VOICE_S = 7


@pytest.fixture(scope="module")
def voice() -> Sound:
    """Noise whose loudness changes, as a voice's does."""
    chance = np.random.default_rng(7)
    loudness = np.repeat(chance.uniform(0.05, 0.5, VOICE_S * 10), RATE_HZ // 10)
    sound: Sound = (chance.standard_normal(VOICE_S * RATE_HZ) * loudness).astype(np.float32)
    return sound


@pytest.mark.parametrize("skip_s", [0.0, 0.13, -0.08, 2.4])
def test_what_is_left_out_or_heard_twice_at_a_seam_is_found(voice: Sound, skip_s: float) -> None:
    """To a hundredth of a second, though the voice begins again meanwhile and other noise is heard with it."""
    seam, over = 3 * RATE_HZ, np.tile(voice, 4)
    begin = 4 * RATE_HZ
    heard = np.concatenate([over[begin : begin + seam], over[begin + seam + int(skip_s * RATE_HZ) :][:seam]])
    heard = heard + 0.1 * np.random.default_rng(8).standard_normal(len(heard)).astype(np.float32)
    assert skipped_s(heard, seam, voice) == pytest.approx(skip_s, abs=0.01)


def test_silence_since_the_first_sound_is_found(voice: Sound) -> None:
    """Also at the end, where nothing is heard any more; not a sample or two."""
    heard = np.concatenate([np.zeros(RATE_HZ, np.float32), voice, np.zeros(RATE_HZ // 2, np.float32)])
    heard[2 * RATE_HZ : 2 * RATE_HZ + 4800] = heard[5 * RATE_HZ] = 0
    assert silent_s(heard) == pytest.approx(0.6, abs=0.001)
    assert silent_s(np.zeros(RATE_HZ, np.float32)) == 0


def test_the_pauses_of_a_cleaned_voice_are_not_counted(voice: Sound) -> None:
    """They are as silent as a loss; what is lost while the voice speaks is found, on both sides of a seam."""
    clean = voice.copy()
    clean[2 * RATE_HZ : 3 * RATE_HZ] = 0
    heard = np.concatenate([np.roll(clean, -RATE_HZ), np.roll(clean, 2 * RATE_HZ)])
    assert silent_s(heard) == pytest.approx(2.0, abs=0.001)
    assert silent_s(heard, spoken(heard, [VOICE_S * RATE_HZ], clean)) == 0
    for begin in (3 * RATE_HZ, (VOICE_S + 1) * RATE_HZ):
        heard[begin : begin + 4800] = 0
    assert silent_s(heard, spoken(heard, [VOICE_S * RATE_HZ], clean)) == pytest.approx(0.2, abs=0.001)
