"""The formats that can be written, by file name extension."""

from dataclasses import dataclass
from pathlib import Path

from workers.files.errors import FileError

_BEST_VBR = (("flags", "+qscale"), ("global_quality", "0"))  # with other settings below 256 kbit/s LAME reduces the level by up to 5 %


@dataclass(frozen=True)
class OutputFormat:
    """How sound is written under one file name extension."""

    container: str
    codec: str
    sample_format: str
    float_codec: str | None = None  # used if the input has float samples
    bit_rate: int | None = None  # for each channel; None: lossless, or set by the options
    most: int | None = None  # channels at most
    options: tuple[tuple[str, str], ...] = ()  # of the encoder


OUTPUT_FORMATS = {
    ".wav": OutputFormat("wav", "pcm_s24le", "s32", float_codec="pcm_f32le"),
    ".flac": OutputFormat("flac", "flac", "s32"),  # FLAC takes 24 of the 32 bits
    ".aiff": OutputFormat("aiff", "pcm_s24be", "s32", float_codec="pcm_f32be"),
    ".mka": OutputFormat("matroska", "flac", "s32"),
    ".opus": OutputFormat("ogg", "libopus", "flt", bit_rate=96_000),
    ".ogg": OutputFormat("ogg", "libopus", "flt", bit_rate=96_000),
    ".webm": OutputFormat("webm", "libopus", "flt", bit_rate=96_000),
    ".mp3": OutputFormat("mp3", "libmp3lame", "fltp", most=2, options=_BEST_VBR),
    ".m4a": OutputFormat("ipod", "aac", "fltp", bit_rate=128_000),
}


def output_format(path: Path) -> OutputFormat:
    """The format of a file name. Raises FileError."""
    kind = OUTPUT_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: the name has to end with one of {', '.join(OUTPUT_FORMATS)}")
    return kind
