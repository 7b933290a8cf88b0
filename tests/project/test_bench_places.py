"""Where benches get what a clone lacks: sound that is made, weights where a server finds them, the processor's name."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.bench import mouth, places, processor, synthetic
from tests.bench.asked import Refused
from tests.bench.engines import made, quality
from tests.support.sound import RATE_HZ, read_wav, si_sdr


def test_the_voice_is_made(tmp_path: Path) -> None:
    """Two files of ten seconds, the same wherever they are made, the noisy one 6 dB above its noise."""
    first, second = (synthetic.folder(tmp_path / name) for name in "ab")
    for name in ("clean.wav", "noisy.wav"):
        assert hashlib.sha256((first / name).read_bytes()).digest() == hashlib.sha256((second / name).read_bytes()).digest()
    clean, noisy = (read_wav(find(first)) for find in (places.clean, places.noisy))
    assert len(clean) == len(noisy) == synthetic.SECONDS * RATE_HZ
    assert si_sdr(clean, noisy) == pytest.approx(synthetic.SNR_DB, abs=0.1)
    assert sorted(file.name for file in first.iterdir()) == ["clean.wav", "noisy.wav"]


def test_denoisers_take_it_for_a_voice(tmp_path: Path, models_folder: Path) -> None:
    """DeepFilterNet3 brings the made voice nearer to the clean one, by SI-SDR, PESQ and STOI: figures of a clone mean something."""
    folder = synthetic.folder(tmp_path)
    noisy, clean = read_wav(places.noisy(folder)), read_wav(places.clean(folder))
    before = quality(noisy, noisy, clean)
    after = quality(made("deepfilternet3", models_folder).whole(noisy), noisy, clean)
    assert after["si_sdr_gain_db"] > 5 and after["pesq"] > before["pesq"] + 0.5 and after["stoi"] > before["stoi"]


def test_a_folder_without_sound(tmp_path: Path) -> None:
    """What is missing is named, and the option that names another folder."""
    (tmp_path / "noisy_one.wav").touch()
    with pytest.raises(Refused, match=r"no clean\*\.wav in .*--audio FOLDER"):
        places.sound(tmp_path)


def test_weights_where_a_server_finds_them(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder they are looked for where config.toml says; without network or weights that is one line."""
    (tmp_path / "config.toml").write_text(f'[models]\npath = ["{models_folder}"]\ndownload = false\n')
    monkeypatch.setattr(places, "ROOT", tmp_path)
    assert places.weights(None) == models_folder
    (tmp_path / "config.toml").write_text('[models]\npath = ["none"]\ndownload = false\n')
    monkeypatch.setattr(places, "CACHE", tmp_path / "cache")
    with pytest.raises(Refused, match=r"deepfilternet3: no weights.*--models FOLDER"):
        places.weights(None)


def test_denoisers_without_weights_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is measured, and the line says how to get them."""
    said = list[str]()
    monkeypatch.setattr(places, "CACHE", tmp_path / "cache")
    assert places.ready(["rnnoise", "deepfilternet2"], tmp_path, said.append) == {"rnnoise": {}}
    [line] = said
    assert line.startswith("deepfilternet2 is left out: ") and "run.py models fetch deepfilternet2" in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model name\t: A CPU\nflags\t\t: fpu avx2 fma avx512f avx512_vnni amx_tile\n", "A CPU (AVX2, FMA, AVX-512F, AVX-512 VNNI, AMX)"),
        ("Features\t: fp asimd asimddp i8mm\n", "(NEON, DOT, I8MM)"),
        ("", "(instruction sets not known)"),
    ],
)
def test_the_processor_is_named(tmp_path: Path, text: str, told: str) -> None:
    """Its model and what it multiplies with, on x86 and on ARM."""
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert processor.told(file).endswith(told)


def test_a_voice_that_was_bypassed_is_told() -> None:
    """Runs in which the denoiser did not last are said with the reason: their figures are of the raw voice."""

    def run(state: str, reason: str | None) -> dict[str, Any]:
        return {
            "status": {"denoise": {"state": "active", "reason": None}},
            "status_quickest": {"denoise": {"state": state, "reason": reason}},
        }

    assert mouth._uncleaned([run("active", None)]) == []
    [line] = mouth._uncleaned([run("active", None), run("bypassed", "too_slow")])
    assert line == "deepfilternet3_ll did not clean to the end of 1 of 2 runs (too_slow)."
