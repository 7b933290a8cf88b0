"""`run.py denoise`: channels and lengths as people have them: files without names for their channels, surround, MP3, MP4."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.workers.sound_files import Rows, read, snr, tone, write
from workers.files.main import main
from workers.files.output_formats import OUTPUT_FORMATS


def plain(path: Path, sound: Rows, rate_hz: int = 48_000) -> Path:
    """A WAV of 16 bits that says how many channels there are, and not which."""
    with wave.open(str(path), "wb") as file:
        file.setparams((len(sound), 2, rate_hz, 0, "NONE", ""))
        file.writeframes((sound.T * 32_767).round().astype("<i2").tobytes())
    return path


def denoised(noisy: Path, clean: Path, *more: str) -> Path:
    assert main([str(noisy), str(clean), "--denoiser=passthrough", *more]) == 0
    return clean


@pytest.mark.parametrize("ending", list(OUTPUT_FORMATS))
def test_a_plain_stereo_wav(ending: str, tmp_path: Path) -> None:
    """A WAV without names for its two channels keeps them apart in every kind of file, each where it was and as loud."""
    sound = tone(48_000, 48_123, channels=2)
    heard, rate_hz, _ = read(denoised(plain(tmp_path / "noisy.wav", sound), tmp_path / f"clean{ending}", "--stereo"))
    middle = slice(5_000, 45_000)
    assert rate_hz == 48_000 and snr(sound[:, middle], heard[:, : sound.shape[1]][:, middle]) > 18


@pytest.mark.parametrize("ending", [ending for ending in OUTPUT_FORMATS if ending != ".mp3"])
@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8])
def test_plain_surround(ending: str, channels: int, tmp_path: Path) -> None:
    """Up to eight channels without names are taken for the usual ones of so many."""
    noisy = plain(tmp_path / "noisy.wav", tone(48_000, 9_600, channels=channels))
    clean = denoised(noisy, tmp_path / f"clean{ending}", "--stereo")
    if (ending, channels) != (".aiff", 8):  # its names for eight are more than PyAV 18.1 can read
        assert len(read_packed(clean)) == channels


def read_packed(path: Path) -> Rows:
    """Samples of a file of any number of channels: PyAV reads beyond the planes of a frame with eight or more."""
    with av.open(str(path)) as file:
        packed = av.AudioResampler(format="dbl")
        frames = [ready for frame in file.decode(audio=0) for ready in packed.resample(frame)]
        return np.concatenate([frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T for frame in frames], axis=1)


@pytest.mark.parametrize("channels", [8, 12])
def test_many_channels(channels: int, tmp_path: Path) -> None:
    """Eight channels and more are kept, and folded to their mean, like few."""
    sound = tone(44_100, 9_600, channels=channels)
    noisy = plain(tmp_path / "noisy.wav", sound, 44_100)
    middle = slice(1_000, -1_000)
    kept = read_packed(denoised(noisy, tmp_path / "kept.wav", "--stereo"))
    assert kept.shape == sound.shape and snr(sound[:, middle], kept[:, middle]) > 70
    folded = read(denoised(noisy, tmp_path / "folded.wav"))[0]
    assert snr(sound.mean(axis=0, keepdims=True)[:, middle], folded[:, middle]) > 70


@pytest.mark.parametrize("ending", [".opus", ".m4a"])
def test_eight_planes(ending: str, tmp_path: Path) -> None:
    """A codec whose frames have eight planes can be read too."""
    surround = denoised(plain(tmp_path / "noisy.wav", tone(48_000, 9_600, channels=8)), tmp_path / f"surround{ending}", "--stereo")
    assert len(read_packed(denoised(surround, tmp_path / "clean.wav", "--stereo"))) == 8


@pytest.mark.parametrize("ending", [".opus", ".webm", ".m4a"])
def test_channels_at_the_sides(ending: str, tmp_path: Path) -> None:
    """Surround at the sides, as films have it, goes where there is one kind of surround only."""
    noisy = tmp_path / "noisy.wav"
    with av.open(str(noisy), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=48_000, layout="5.1(side)", format="s16")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 6 * 9_600), np.int16), "s16", "5.1(side)")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert len(read(denoised(noisy, tmp_path / f"clean{ending}", "--stereo"))[0]) == 6


def test_surround_for_two_ears(tmp_path: Path) -> None:
    """MP3 has two channels at most, and surround is mixed down to them; left stays left."""
    sound = np.zeros((6, 48_000))
    sound[0] = tone(48_000, 48_000)[0]
    heard = read(denoised(plain(tmp_path / "noisy.wav", sound), tmp_path / "clean.mp3", "--stereo"))[0]
    left, right = np.sum(heard**2, axis=1)
    assert heard.shape == (2, 48_000) and left > 1 and right < left / 1_000


@pytest.mark.parametrize("ending", [".mp3", ".flac", ".opus", ".m4a"])
def test_too_many_channels(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More channels than a kind of file has, and no names by which they could be mixed, is one line that says so."""
    noisy = plain(tmp_path / "noisy.wav", np.zeros((12, 4_800)))
    assert main([str(noisy), str(tmp_path / f"clean{ending}"), "--denoiser=passthrough", "--stereo"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "cannot hold 12 channels" in said
    assert list(tmp_path.iterdir()) == [noisy]


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
@pytest.mark.parametrize("ending", list(OUTPUT_FORMATS))
def test_length(ending: str, rate_hz: int, tmp_path: Path) -> None:
    """Every kind of file says how long its sound is to the sample, and all but MP4 decode to that; read again by us MP4 does too."""
    count = 97_780
    clean = denoised(plain(tmp_path / "noisy.wav", tone(rate_hz, count), rate_hz), tmp_path / f"clean{ending}")
    heard, rate, _ = read(clean)
    wanted = round(count * rate / rate_hz)
    if ending != ".m4a":
        assert heard.shape == (1, wanted)
        return
    with av.open(str(clean)) as file:
        assert file.streams.audio[0].duration == wanted and heard.shape[1] - wanted < 1_024
    assert read(denoised(clean, tmp_path / "again.wav"))[0].shape == (1, wanted)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_the_end_of_an_mp4(rate_hz: int, tmp_path: Path) -> None:
    """An MP4 that was written without care for its length has it nevertheless, whatever the codec put behind it."""
    noisy = write(tmp_path / "noisy.m4a", tone(rate_hz, 30_001), rate_hz)
    assert read(denoised(noisy, tmp_path / "clean.wav"))[0].shape == (1, 30_001)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ending", [".mp3", ".m4a", ".opus"])
def test_loudness(ending: str, channels: int, tmp_path: Path) -> None:
    """No encoder makes the sound quieter."""
    sound = tone(48_000, 96_000, channels)
    noisy = plain(tmp_path / "noisy.wav", sound)
    heard = read(denoised(noisy, tmp_path / f"clean{ending}", "--stereo"))[0][:, 9_000:87_000]
    middle = sound[:, 9_000:87_000]
    assert np.sum(heard * middle) / np.sum(middle**2) == pytest.approx(1, abs=0.01)
