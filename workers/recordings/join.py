"""python -m workers.recordings.join [--whole] TARGET UNTIL WHAT FOLDER [WHAT FOLDER ...]: join the closed parts of a recording.

The parts, in their order, lie on one time line (`workers.recordings.part`), so each packet keeps its place: what is between two parts
becomes silence, and where one begins before the one before has ended, the later one counts. TARGET, which is made, is a recording that
`finalise` makes ready; it lasts until UNTIL at least. WHAT is the part's digest, with which it is first compared; or, of a part that was
joined before, BEGIN-END: where its sound is in that recording. These three are in samples. Prints one line of JSON: the folders whose
digest differs, which are left out; TARGET may then be empty. With --whole nothing is made where there are such folders.
"""

import argparse
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from workers.link.opus_toc import opus_is_stereo, opus_samples
from workers.pdeathsig import leave_with_parent
from workers.recordings import opusfile, spans
from workers.recordings.finalise import VARIANTS, variants_in
from workers.recordings.opusfile import PRE_SKIP, OpusFile
from workers.recordings.part import HeldSound, digest, piece_of

_NICENESS = 10


def join(target: Path, parts: Sequence[tuple[str | HeldSound, Path]], until: int = 0, *, whole: bool = False) -> list[Path]:
    """(digest or stretch, folder) of each part, in the order in which they were begun. Returns the folders of those that are not what their
    servers have closed, and are left out; whole: then nothing is made. Raises OSError.
    """
    altered = [folder for what, folder in parts if isinstance(what, str) and digest(folder) != what]
    if whole and altered:
        return altered
    good = [(what, folder) for what, folder in parts if folder not in altered]
    held = [(folder, piece_of(folder) if isinstance(what, str) else what) for what, folder in good]
    pieces = list(_pieces([(folder, piece) for folder, piece in held if piece is not None]))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    end = max((piece.end for _, piece in pieces), default=0)
    end = max(end, until) if end else 0
    for variant in VARIANTS:
        if any(variant in variants_in(folder) for folder, _ in pieces):
            _write(target / f"{variant}.opus", [(_file(folder, variant), piece) for folder, piece in pieces], end)
    with (target / spans.JOURNAL).open("wb") as journal:
        journal.writelines(spans.joined(((folder / spans.JOURNAL, *piece) for folder, piece in pieces), end))
        journal.flush()
        os.fsync(journal.fileno())
    return altered


def _pieces(found: Sequence[tuple[Path, HeldSound]]) -> Iterator[tuple[Path, HeldSound]]:
    """Of each part what counts of it: it ends where a later one begins, at the latest."""
    for place, (folder, piece) in enumerate(found):
        end = min([piece.end, *(later.begin for _, later in found[place + 1 :])])
        if end > piece.begin:
            yield folder, HeldSound(piece.begin, end)


def _file(folder: Path, variant: str) -> Path:
    """Where nothing was denoised, listeners have heard the original."""
    return folder / f"{variant if variant in variants_in(folder) else VARIANTS[0]}.opus"


def _write(path: Path, pieces: Sequence[tuple[Path, HeldSound]], end: int) -> None:
    file: OpusFile | None = None
    try:
        for source, piece in pieces:
            for payload, time, samples in _packets(source, piece):
                if file is None:
                    file = OpusFile.create(path, 2 if opus_is_stereo(payload) else 1)
                if time >= file.position:
                    file.fill(time)
                    file.packet(payload, samples)
        if file is not None:
            file.close(end)
    finally:
        if file is not None:
            file.abandon()


def _packets(path: Path, piece: HeldSound) -> Iterator[tuple[bytes, int, int]]:
    """(payload, time, samples) of the packets that begin in a piece and end in it, but for the filling of gaps."""
    for at, payload in opusfile.packets_from(path, piece.begin):
        time, samples = at + PRE_SKIP, opus_samples(payload)
        if time >= piece.end:
            return
        if len(payload) > 1 and time >= piece.begin and time + samples <= piece.end:
            yield payload, time, samples


def _what(word: str) -> str | HeldSound:
    begin, dash, end = word.partition("-")
    return HeldSound(int(begin), int(end)) if dash else word


def main() -> None:
    parser = argparse.ArgumentParser(description="Join the parts of a recording.")
    parser.add_argument("--whole", action="store_true", help="make nothing where a part is not what was closed")
    parser.add_argument("target", type=Path)
    parser.add_argument("until", type=int, help="how long it lasts at least, in samples")
    parser.add_argument("parts", nargs="+", help="digest and folder of each, or BEGIN-END and the folder in which it was joined")
    asked = parser.parse_args()
    leave_with_parent()
    os.nice(_NICENESS)
    try:
        parts = [(_what(word), Path(folder)) for word, folder in zip(asked.parts[::2], asked.parts[1::2], strict=True)]
        print(json.dumps([str(folder) for folder in join(asked.target, parts, asked.until, whole=asked.whole)]))
    except BaseException:
        shutil.rmtree(asked.target, ignore_errors=True)
        raise


if __name__ == "__main__":
    main()
