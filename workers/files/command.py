"""The command: its arguments, the way from IN to OUT, and its messages."""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from workers import interrupt
from workers.chunks import CHUNK_S, OVERLAP_S
from workers.denoiser import RATE_HZ
from workers.errors import WorkerFailed
from workers.files.cleaner import Cleaner
from workers.files.device import chosen_device
from workers.files.errors import FileError, reason
from workers.files.output_formats import OUTPUT_FORMATS
from workers.files.path_checks import check_places, through
from workers.files.progress import Progress
from workers.files.reader import SoundReader
from workers.files.selection import DenoiserSettings, chosen, has_model
from workers.files.spectrogram import Spectrogram
from workers.files.writer import SoundWriter
from workers.models import cuda
from workers.voice.stage import NO_LIMIT_DB


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.overlap_s >= asked.chunk_s:
        parser.error(f"argument --overlap-s: {asked.overlap_s:g} is not shorter than --chunk-s, {asked.chunk_s:g}")
    try:
        return _denoise(asked)
    except (FileError, WorkerFailed) as failure:
        return _said(f"hushcast: {failure}", 1)
    except OSError as error:  # for example a name that is too long, or a folder without access
        return _said(f"hushcast: {f'{error.filename}: ' if error.filename else ''}{reason(error)}", 1)
    except KeyboardInterrupt:
        return _said(interrupt.LINE, 130)


def _denoise(asked: argparse.Namespace) -> int:
    check_places(asked.input, asked.output, asked.plot)
    with ExitStack() as opened:
        source = opened.enter_context(SoundReader(asked.input, keep_channels=asked.stereo))
        device = chosen_device(asked.device, has_model(asked.denoiser), lambda line: _said(f"hushcast: {line}"))
        places = (tuple(asked.models), asked.url, asked.download, asked.cache)
        settings = DenoiserSettings(*places, asked.chunk_s, asked.overlap_s, device, asked.post_filter)
        name, denoiser = chosen(asked.denoiser, settings, lambda line: _said(f"hushcast: {line}"))
        interrupt.raise_it()  # from now on a draft or a process has to be cleaned up
        opened.callback(getattr(denoiser, "close", lambda: None))
        target = opened.enter_context(SoundWriter(asked.output, source.rate_hz, source.layout, source.is_float))
        cleaning, progress = Cleaner(denoiser, source.channels, asked.strength_db), Progress(source.seconds)
        before, after = (Spectrogram(), Spectrogram()) if asked.plot else (None, None)
        try:
            for noisy in source.blocks():
                clean = cleaning.write(noisy)
                target.write(clean)
                if before and after:
                    before.write(noisy)
                    after.write(clean)
                progress.at(source.samples / source.rate_hz)
        finally:
            progress.end()
        clean = cleaning.rest()
        target.write(clean)
        if before and after:
            after.write(clean)
            _plot(asked.plot, asked.input, before, f"{asked.output.name}, {name}", after)
        interrupt.ignore()
        target.finish(round(source.samples * target.rate_hz / source.rate_hz))
    if source.tracks > 1:
        _said(f"hushcast: {asked.input} has {source.tracks} sound tracks; the first one was used")
    if source.mended:
        _said(f"hushcast: {source.mended} invalid samples of {asked.input} were replaced by silence")
    if source.has_no_end:
        _said(f"hushcast: {asked.input} has no end mark, as if its recording was cut off; all of it was used")
    return _said(f"{asked.output}: {progress.factor()}, {name}", 0)


def _plot(path: Path, noisy: Path, before: Spectrogram, title: str, after: Spectrogram) -> None:
    """Write the picture, whole or not at all."""
    from workers.files.plot import draw

    panels = [(f"Before: {noisy.name}", before.decibels()), (f"After: {title}", after.decibels())]
    try:
        place = through(path)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as room:
            draft = Path(room) / "plot.png"
            draw(draft, panels, before.samples / RATE_HZ)
            draft.replace(place)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {reason(error)}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py denoise", description="Take the noise out of a sound file.", allow_abbrev=False)
    parser.add_argument("input", metavar="IN", type=Path, help="any file with sound in it")
    parser.add_argument("output", metavar="OUT", type=Path, help=f"what becomes of it: a name that ends with {', '.join(OUTPUT_FORMATS)}")
    parser.add_argument("--denoiser", metavar="NAME", default="auto", help="a denoiser, or chunked:NAME (default: %(default)s)")
    parser.add_argument(
        "--device", choices=cuda.CHOICES, default="auto", help="where models run; auto: CUDA if there (default: %(default)s)"
    )
    parser.add_argument(
        "--strength-db", metavar="X", type=_within(0, NO_LIMIT_DB), default=NO_LIMIT_DB, help="take out at most X dB, 0-100"
    )
    parser.add_argument(
        "--post-filter", action=argparse.BooleanOptionalAction, default=False, help="DeepFilterNets: take more out of what is mostly noise"
    )
    parser.add_argument("--stereo", action="store_true", help="keep the channels apart, each with a voice of its own; else they are folded")
    parser.add_argument("--plot", metavar="FILE.png", type=Path, help="spectrograms before and after")
    parser.add_argument(
        "--chunk-s", metavar="S", type=_within(*CHUNK_S), default=2.0, help="chunked: length of a chunk (default: %(default)s)"
    )
    parser.add_argument(
        "--overlap-s", metavar="S", type=_within(*OVERLAP_S), default=0.5, help="chunked: length of the cross-fade (default: %(default)s)"
    )
    parser.add_argument("--models", metavar="FOLDER", type=Path, action="append", default=[], help="a folder of weights; may be repeated")
    parser.add_argument("--cache", metavar="FOLDER", type=Path, default=Path("var/cache"), help="where graphs are kept")
    parser.add_argument("--url", default="upstream", help="where weights are fetched from")
    parser.add_argument("--download", action=argparse.BooleanOptionalAction, default=False, help="whether weights may be fetched")
    return parser


def _within(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {low:g} and {high:g}")
        return value

    return number


def _said(line: str, status: int = 0) -> int:
    print(line, file=sys.stderr)
    return status
