"""python -m workers.recordings.finalise FOLDER [--wav]: make a closed or interrupted recording ready to play.

Ends files that a crash left open (both at the same length), makes the peaks of each variant and, if asked, the WAV of what `auto`
listeners heard. New files are written as drafts and renamed when complete, so a run that was killed can be repeated. Prints one line of
JSON: {duration_s, variants, size_bytes, failed, whole, spans, denoised_share, spans_merged}.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from workers.disk_room import DiskRoom, why_not
from workers.pdeathsig import leave_with_parent
from workers.recordings import opusfile, spans, wav
from workers.recordings.decode import pcm16, sound
from workers.recordings.opusfile import RATE_HZ, OpusFile
from workers.recordings.peaks import peaks_of

VARIANTS = ("original", "denoised")
_NICENESS = 10


def finalise(folder: Path, with_wav: bool, floor: int = 0) -> dict[str, object]:
    """Do all of it; returns what is printed. `failed`: empty, storage_full, failed, or None; sound that is there can still be played.

    `whole`: every variant has its peaks. A WAV that would leave less than `floor` bytes on the disk is not made: the WAV view
    serves without it.
    """
    (folder / opusfile.HEARD).unlink(missing_ok=True)
    failed = None
    try:
        end_files(folder)
        samples = max((opusfile.length(folder / f"{variant}.opus") for variant in variants_in(folder)), default=0)
        with_wav = with_wav and DiskRoom(folder, floor).has(wav.size(samples))
        for variant in variants_in(folder):
            heard = variant == variants_in(folder)[-1]
            _make(folder, variant, samples, with_wav and heard)
    except OSError as error:
        failed = why_not(error)
    variants = variants_in(folder)
    samples = max((opusfile.length(folder / f"{variant}.opus") for variant in variants), default=0)
    size = sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0
    if not samples:
        failed = failed or "empty"
    return {
        "duration_s": samples / RATE_HZ,
        "variants": variants,
        "size_bytes": size,
        "failed": failed,
        "whole": all((folder / f"{variant}.peaks").exists() for variant in variants),
        **_heard(folder, variants, samples),
    }


def _heard(folder: Path, variants: list[str], samples: int) -> dict[str, object]:
    """The spans of its journal. Without one, as in a recording of an older version, all or nothing counts as denoised."""
    denoised = "denoised" in variants
    try:
        heard = spans.read(folder / spans.JOURNAL, samples)
    except OSError:
        return {"spans": [], "denoised_share": float(denoised), "spans_merged": 0}
    return {"spans": heard.told(), "denoised_share": round(heard.share, 4) if denoised else 0.0, "spans_merged": heard.merged}


def variants_in(folder: Path) -> list[str]:
    """Those that have a file, `original` first."""
    return [variant for variant in VARIANTS if (folder / f"{variant}.opus").exists()]


def end_files(folder: Path) -> None:
    """End the files that were not closed, so that both variants have the length of the longer; an empty file is deleted."""
    taken_up: list[OpusFile] = []
    length = 0
    try:
        for path in [folder / f"{variant}.opus" for variant in variants_in(folder)]:
            try:
                file = OpusFile.resume(path)
            except ValueError:
                path.unlink()
                continue
            length = max(length, opusfile.length(path) if file is None else file.position)
            taken_up += [] if file is None else [file]
        for file in taken_up:
            file.close(length)
    finally:
        for file in taken_up:
            file.abandon()


def _make(folder: Path, variant: str, samples: int, with_wav: bool) -> None:
    """The peaks of one variant and perhaps its WAV, in one pass over the sound."""
    peaks_path, wav_path = folder / f"{variant}.peaks", folder / wav.HEARD
    if peaks_path.exists() and (wav_path.exists() or not with_wav):
        return
    with _whole(peaks_path) as peaks, _whole(wav_path if with_wav else Path(os.devnull)) as pcm:
        pcm.write(wav.header(samples))
        for block in sound(folder / f"{variant}.opus", 0, samples):
            whole = pcm16(block)
            pcm.write(whole.tobytes())
            peaks.write(peaks_of(whole).tobytes())


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is moved to `path` when it is complete, and deleted after an error."""
    if path == Path(os.devnull):
        with path.open("wb") as nowhere:
            yield nowhere
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a recording ready to play.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wav", action="store_true", help="also the WAV of what was heard")
    parser.add_argument("--floor", type=int, default=0, help="bytes of the disk that a WAV leaves free")
    asked = parser.parse_args()
    leave_with_parent()
    os.nice(_NICENESS)
    for stale in asked.folder.glob("*.part"):
        stale.unlink()
    json.dump(finalise(asked.folder, asked.wav, asked.floor), sys.stdout)


if __name__ == "__main__":
    main()
