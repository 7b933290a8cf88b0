"""`run.py denoise`: lengths that were never filled in, files that are cut, and what stands behind the sound."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.workers.sound_files import Rows, read, snr, write
from tests.workers.stamped import gaps, voice, write_stamped
from workers.files.main import main

SECOND = 48_000
SOUND = voice(2 * SECOND)
PCM = (SOUND[0] * 32_767).round().astype("<i2").tobytes()
RUBBISH = np.random.default_rng(1).bytes(5_001)
ID3V1 = b"TAG" + b"A voice".ljust(125, b"\0")
APE = b"APETAGEX" + struct.pack("<IIII8x", 2_000, 32, 0, 0x80000000)
LYRICS = b"LYRICSBEGIN" + b"LYR00900" + b"la la \xff\xfb\x90\x00" * 90 + b"000921LYRICS200"


def heard(noisy: Path) -> Rows:
    clean = noisy.with_name("clean.wav")
    assert main([str(noisy), str(clean), "--denoiser=passthrough"]) == 0
    return read(clean)[0]


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def wav(length: int, riff: int = 0, form: bytes = b"RIFF", large: int | None = None, data: bytes = PCM) -> bytes:
    more = b"" if large is None else b"ds64" + struct.pack("<IQQQI", 28, large + 72, large, large // 2, 0)
    begin = b"WAVE" + more + b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, SECOND, 2 * SECOND, 2, 16)
    return form + struct.pack("<I", riff) + begin + b"data" + struct.pack("<I", length) + data


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x7FFFFF00, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
def test_a_wav_written_into_a_pipe(length: int, tmp_path: Path) -> None:
    """Whatever a program writes where it does not know the length, all that is there is the sound."""
    noisy = put(tmp_path / "noisy.wav", wav(length, riff=length))
    out = heard(noisy)
    assert out.shape == SOUND.shape and snr(SOUND, out) > 70


def test_others_written_into_a_pipe(tmp_path: Path) -> None:
    """So it is in AU, AIFF, CAF and RF64."""
    places: dict[str, Callable[[bytearray], None]] = {
        "AU": lambda content: struct.pack_into(">I", content, 8, 0xFFFFFFFF),
        "AIFF": _aiff_of_sox,
        "CAF": lambda content: struct.pack_into(">q", content, content.index(b"data\0") + 4, -1),
        "RF64": lambda content: struct.pack_into("<QQQ", content, 20, 0, 0, 0),
    }
    for form, change in places.items():
        noisy = tmp_path / f"noisy.{form.lower()}"
        soundfile.write(str(noisy), SOUND.T, SECOND, format=form, subtype="PCM_16")
        content = bytearray(noisy.read_bytes())
        change(content)
        out = heard(put(noisy, bytes(content)))
        assert out.shape == SOUND.shape and snr(SOUND, out) > 70, form


def _aiff_of_sox(content: bytearray) -> None:
    struct.pack_into(">I", content, content.index(b"COMM") + 10, 0x7F000000 // 2)
    struct.pack_into(">I", content, content.index(b"SSND") + 4, 0x7F000008)


@pytest.mark.parametrize("share", [0.5, 0.97])
@pytest.mark.parametrize(
    "kind",
    ["rf64", "bw64", "w64", "rf64 of libsndfile", "au", "aiff", "caf", "mkv", "mkv with a picture", "live webm", "fragments", "avi", "asf"],
)
def test_cut(kind: str, share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that says how long it is, and is not, is one line, whatever its container."""
    path = tmp_path / "whole"
    forms = {"w64": "W64", "au": "AU", "aiff": "AIFF", "caf": "CAF", "rf64 of libsndfile": "RF64"}
    if kind in ("rf64", "bw64"):
        put(path, wav(0xFFFFFFFF, 0xFFFFFFFF, kind.upper().encode(), len(PCM)))
    elif kind in forms:
        soundfile.write(str(path), SOUND.T, SECOND, format=forms[kind], subtype="PCM_16")
    else:
        ending, codec, options = {
            "mkv": (".mkv", "libopus", {}),
            "mkv with a picture": (".mkv", "libopus", {}),
            "live webm": (".webm", "libopus", {"live": "1"}),
            "fragments": (".mp4", "aac", {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "300000"}),
            "avi": (".avi", "pcm_s16le", {}),
            "asf": (".asf", "libmp3lame", {}),
        }[kind]
        path = write_stamped(tmp_path / f"whole{ending}", SOUND, codec, gaps(), picture="picture" in kind, options=options)
    whole = path.read_bytes()
    assert abs(heard(path).shape[1] - 2 * SECOND) <= 2_048
    path.with_name("clean.wav").unlink()
    capsys.readouterr()
    noisy = put(tmp_path / f"noisy{path.suffix}", whole[: round(share * len(whole))])
    assert main([str(noisy), str(path.with_name("clean.wav")), "--denoiser=passthrough"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "truncated" in said and not path.with_name("clean.wav").exists()


@pytest.mark.parametrize("xing", ["1", "0"])
@pytest.mark.parametrize(
    "behind",
    [ID3V1, APE + ID3V1, LYRICS + ID3V1, bytes(5_000), b"\xff" * 500, RUBBISH, bytes(70) + ID3V1],
    ids=["ID3v1", "APE", "Lyrics3", "zeros", "ones", "rubbish", "padding"],
)
def test_behind_an_mp3(behind: bytes, xing: str, tmp_path: Path) -> None:
    """Tags, padding and rubbish behind the last frame change nothing."""
    noisy = write_stamped(tmp_path / "noisy.mp3", SOUND, "libmp3lame", gaps(), options={"write_xing": xing})
    before = heard(noisy)
    out = heard(put(noisy, noisy.read_bytes() + behind))
    assert out.shape == before.shape and (out == before).all() and (xing == "0" or out.shape == SOUND.shape)


@pytest.mark.parametrize("between", [b"", ID3V1, RUBBISH], ids=["nothing", "ID3v1", "rubbish"])
def test_an_mp3_behind_an_mp3(between: bytes, tmp_path: Path) -> None:
    """Files put together are as long as all of them, to the sample, each begun anew."""
    noisy = write(tmp_path / "noisy.mp3", SOUND, SECOND)
    once = heard(noisy)
    out = heard(put(noisy, noisy.read_bytes() + between + noisy.read_bytes()))
    assert out.shape == (1, 4 * SECOND) and snr(np.concatenate([once, once], axis=1), out) > 60


def test_rubbish_amid_an_mp3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rubbish amid the frames is damage, and a line that says where."""
    whole = write(tmp_path / "noisy.mp3", SOUND, SECOND).read_bytes()
    noisy = put(tmp_path / "noisy.mp3", whole[:9_000] + RUBBISH + whole[9_000:])
    assert main([str(noisy), str(tmp_path / "clean.wav"), "--denoiser=passthrough"]) == 1
    assert "damaged after" in capsys.readouterr().err


@pytest.mark.parametrize("behind", [ID3V1, bytes(5_000), RUBBISH], ids=["ID3v1", "zeros", "rubbish"])
@pytest.mark.parametrize("ending", [".wav", ".au", ".aiff", ".caf", ".w64", ".flac", ".opus", ".webm", ".mkv", ".m4a", ".aac"])
def test_behind_others(ending: str, behind: bytes, tmp_path: Path) -> None:
    """Nor does what is behind the sound in another container."""
    noisy = tmp_path / f"noisy{ending}"
    forms = {".wav": "WAV", ".au": "AU", ".aiff": "AIFF", ".caf": "CAF", ".w64": "W64", ".flac": "FLAC"}
    codecs = {".opus": "libopus", ".webm": "libopus", ".mkv": "flac", ".m4a": "aac", ".aac": "aac"}
    if ending in forms:
        soundfile.write(str(noisy), SOUND.T, SECOND, format=forms[ending], subtype="PCM_16")
    else:
        write_stamped(noisy, SOUND, codecs[ending], gaps())
    before = heard(noisy)
    out = heard(put(noisy, noisy.read_bytes() + behind))
    assert out.shape == before.shape and (out == before).all()


@pytest.mark.parametrize("ending", [".mkv", ".opus"])
def test_one_behind_the_other(ending: str, tmp_path: Path) -> None:
    """Matroska and Ogg files put together are as long as both."""
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, "libopus", gaps())
    once = heard(noisy)
    out = heard(put(noisy, 2 * noisy.read_bytes()))
    assert out.shape == (1, 4 * SECOND) and snr(np.concatenate([once, once], axis=1), out) > 60


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms"])
@pytest.mark.parametrize("count", [95_000, 96_000])
def test_blocks_that_are_not_full(codec: str, count: int, tmp_path: Path) -> None:
    """What a WAV's `fact` says of the length holds, not that its last block is a whole one."""
    noisy = write(tmp_path / "noisy.wav", SOUND[:, :count], SECOND, codec, "s16p" if codec == "adpcm_ima_wav" else "s16")
    content = bytearray(noisy.read_bytes())
    struct.pack_into("<I", content, content.index(b"fact") + 8, count)
    assert heard(put(noisy, bytes(content))).shape == (1, count)


def test_a_byte_to_make_it_even(tmp_path: Path) -> None:
    """A block of GSM has 65 bytes; where the byte that makes their number even is counted too, it is no sound."""
    block = b"\xd2\x8d\xa4\x12" + bytes(61)
    for blocks, extra in (3, b"\0"), (4, b""), (3, b""):
        head = struct.pack(
            "<4sI4s4sIHHIIHHHH4sII", b"RIFF", 0, b"WAVE", b"fmt ", 20, 49, 1, 8_000, 1_625, 65, 0, 2, 320, b"fact", 4, 320 * blocks
        )
        sound = blocks * block + extra
        noisy = put(tmp_path / "noisy.wav", head + b"data" + struct.pack("<I", len(sound)) + sound)
        assert heard(noisy).shape == (1, 320 * blocks)
