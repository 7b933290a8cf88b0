"""A voice in a denoiser, with padding and strength."""

import numpy as np
import pytest

from tests.workers.speech import Broken, Paired, Silencer, Slow, lag, voice
from workers.errors import WorkerFailed
from workers.plugins.passthrough import Passthrough
from workers.voice.fifo import Fifo
from workers.voice.hop_batch import alone
from workers.voice.stage import HopCosts, Stage


@pytest.mark.parametrize("latency", [1440, 1920, 2400])
@pytest.mark.parametrize("kind", [Passthrough, Slow])
def test_latency(kind: type[Passthrough], latency: int) -> None:
    """Whatever the denoiser, the sound comes out as late as asked."""
    sound, stage = voice(1), Stage(kind({}), latency, HopCosts())
    heard = np.concatenate([alone(stage.hop(block)) for block in sound.reshape(-1, 480)])
    assert lag(sound, heard) == latency
    assert (heard[latency:] == sound[:-latency]).all()


def test_strength_goes_over() -> None:
    """The share of the noisy sound goes over in a straight line to its exact end."""
    stage = Stage(Silencer({}), 0, HopCosts())
    ones = np.ones(480, np.float32)
    stage.limit(0, over=960)
    line = np.concatenate([alone(stage.hop(ones)) for _ in range(3)])
    assert np.allclose(line[:960], np.arange(1, 961) / 960, atol=1e-6)
    assert (line[960:] == 1).all()
    stage.limit(20, over=0)
    assert np.allclose(alone(stage.hop(ones)), 0.1)


def test_two_blocks() -> None:
    """Two blocks in a call, in the middle of a change of strength too, are what two calls give."""

    def heard(hops: int) -> np.ndarray:
        stage, out = Stage(Paired({}), 1920, HopCosts()), []
        for at in range(0, len(sound), hops * 480):
            if at in (9600, 19_200):
                stage.limit(10 if at == 9600 else 30, over=1300)
            out.append(alone(stage.hop(sound[at : at + hops * 480])))
        return np.concatenate(out)

    sound = voice(1)
    assert np.allclose(heard(1), heard(2), rtol=0, atol=1e-6)


def test_no_numbers() -> None:
    """NaN is counted and ends it."""
    hops = HopCosts()
    stage = Stage(Broken({}), 0, hops)
    with pytest.raises(WorkerFailed, match="hop 21"):
        for _ in range(30):
            alone(stage.hop(np.ones(480, np.float32)))
    assert (hops.count, hops.nan) == (21, 1)


def test_fifo() -> None:
    """Samples come out in order however they went in, and the memory is used again."""
    fifo, chance, sent, got = Fifo(1000), np.random.default_rng(3), [], []
    for _ in range(500):
        sound = chance.standard_normal(int(chance.integers(0, 700))).astype(np.float32)
        sent.append(sound)
        fifo.push(sound)
        got.append(fifo.pull(int(chance.integers(0, len(fifo) + 1))).copy())
    got.append(fifo.pull(len(fifo)).copy())
    assert (np.concatenate(sent) == np.concatenate(got)).all()
