"""The contract of a denoiser, for every registered name."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support.sound import read_wav
from tests.support.strangers import install
from tests.workers.conftest import graph_of
from tests.workers.speech import lag
from workers import registry
from workers.denoiser import BLOCK, RATE_HZ, Denoiser, Sound, blocks_at_once
from workers.plugins.chunked import PREFIX, Chunked
from workers.weights.weights import FAMILIES


@pytest.fixture(scope="module", params=[*registry.names(), "chunked:passthrough", "chunked:rnnoise", "slow"])
def denoiser(request: pytest.FixtureRequest) -> Denoiser:
    """Each of ours, chunked ones, and a stranger's out of an installed package."""
    name, options = request.param, {}
    if name == "slow":
        return request.getfixturevalue("stranger")
    if name.startswith(PREFIX):
        return Chunked({"denoiser": name.removeprefix(PREFIX), "chunk_s": 0.5, "overlap_s": 0.25})
    if name in FAMILIES:
        options["graph"] = graph_of(name, request.getfixturevalue("models_folder"))
    return registry.load(name)(options)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Denoiser]:
    """Found by its entry point alone, while its package is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(install(tmp_path_factory.mktemp("site")))
        registry._strangers.cache_clear()
        yield registry.load("slow")({})
    registry._strangers.cache_clear()


@pytest.fixture(scope="module")
def speech(audio_folder: Path) -> Sound:
    """float32[blocks, 480]: a few seconds of a clean voice."""
    return read_wav(audio_folder / "clean_freesound_33711.wav")[: 400 * BLOCK].astype(np.float32).reshape(-1, BLOCK)


def through(denoiser: Denoiser, blocks: Sound) -> Sound:
    """One voice: float32[blocks, 480] -> the same."""
    voice = denoiser.open()
    return np.concatenate([denoiser.clean([voice], block[None]) for block in blocks])


def test_shape(denoiser: Denoiser, speech: Sound) -> None:
    """Blocks of 480 float32 at 48 kHz, as many out as in, all finite; the input is left as it was."""
    assert (denoiser.rate_hz, denoiser.block) == (RATE_HZ, BLOCK)
    for count in (1, 3):
        voices = [denoiser.open() for _ in range(count)]
        for block in speech[100:110]:
            noisy = np.repeat(block[None], count, axis=0)
            clean = denoiser.clean(voices, noisy)
            assert clean.shape == (count, BLOCK) and clean.dtype == np.float32 and np.isfinite(clean).all()
            assert (noisy == block).all()


def test_latency(denoiser: Denoiser, speech: Sound) -> None:
    """The output trails the input by exactly the samples that it says."""
    assert denoiser.latency == denoiser.latency_ms * RATE_HZ / 1000 or isinstance(denoiser, Chunked)  # those take as long as they are told
    assert lag(speech.ravel(), through(denoiser, speech).ravel()) == denoiser.latency


def test_silence(denoiser: Denoiser, speech: Sound) -> None:
    """Silence stays silent, also after a voice."""
    assert np.abs(through(denoiser, np.zeros((50, BLOCK), np.float32))).max() < 1e-4
    after = through(denoiser, np.concatenate((speech[:100], np.zeros((200, BLOCK), np.float32))))
    assert np.abs(after[150 + denoiser.latency // BLOCK :]).max() < 1e-3


def test_loud(denoiser: Denoiser, speech: Sound) -> None:
    """Sound beyond full scale, a step and an impulse give finite numbers."""
    odd = speech[:60] * np.float32(40)
    odd[10] = 1.0
    odd[20] = 0.0
    odd[20, 100] = 1e4
    assert np.isfinite(through(denoiser, odd)).all()


def test_batch(denoiser: Denoiser, speech: Sound) -> None:
    """A batch of voices is each of them alone, also when voices come and go."""
    parts = np.stack([speech[start : start + 60] for start in (0, 100, 200, 300)])
    alone = np.stack([through(denoiser, part) for part in parts])
    voices = [denoiser.open() for _ in parts]
    for at in range(60):
        rows = [0, 1, 2, 3] if at < 20 else [3, 1, 0] if at < 40 else [1, 3]
        clean = denoiser.clean([voices[row] for row in rows], parts[rows, at])
        error = float(np.sum((clean - alone[rows, at]) ** 2))
        assert error <= 1e-10 * float(np.sum(alone[rows, at] ** 2)) + 1e-12


def test_blocks_at_once(denoiser: Denoiser, speech: Sound) -> None:
    """Where it takes several blocks in a call they are what they are one by one, however they come."""
    most = blocks_at_once(denoiser)
    assert (most == 2) == (getattr(denoiser, "name", "") in FAMILIES)
    alone, voices, at = through(denoiser, speech[:130]), [denoiser.open(), denoiser.open()], 0
    for count in np.random.default_rng(5).integers(1, most + 1, 60):
        noisy = np.repeat(speech[at : at + count].reshape(1, -1), 2, axis=0)
        wanted, before = alone[at : at + count].reshape(-1), noisy.copy()
        clean = denoiser.clean(voices, noisy)
        assert clean.shape == noisy.shape and clean.dtype == np.float32 and (noisy == before).all()
        assert float(np.sum((clean - wanted) ** 2)) <= 1e-10 * float(np.sum(wanted**2)) + 1e-12
        at += count


def test_voices_are_apart(denoiser: Denoiser, speech: Sound) -> None:
    """A new voice knows nothing of the one before it."""
    assert (through(denoiser, speech[:50]) == through(denoiser, speech[:50])).all()


def test_memory(denoiser: Denoiser, speech: Sound) -> None:
    """Two thousand blocks, and voices that come and go, take no memory."""
    process, block = psutil.Process(), np.repeat(speech[150][None], 4, axis=0)

    def blocks(count: int) -> None:
        for _ in range(count // 500):
            voices = [denoiser.open() for _ in range(4)]
            for _ in range(125):
                denoiser.clean(voices, block)

    blocks(500)
    before = process.memory_info().rss
    blocks(2_000)
    assert process.memory_info().rss < before + 1_500_000
