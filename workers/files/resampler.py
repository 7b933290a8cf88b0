"""From one rate and sample format to another, by libswresample: sample-accurate, streaming, in constant memory."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph

# A longer filter than libswresample's default of 32 taps: a voice below 0.85 of the band, resampled and back, differs by -105 dB, not -56.
_TAPS = 128
_QUALITY = f"filter_size={_TAPS}:phase_shift=12:cutoff=0.98:linear_interp=1"


class Resampler:
    """Frames of one format in, frames of another out. The first output sample has the time of the first input sample.

    Very short sound, of a few ms, comes out longer, padded with silence.
    """

    def __init__(self, like: av.AudioFrame, rate_hz: int, sample_format: str, layout: str | None = None) -> None:
        """`like`: a frame with the rate, format and layout of all input. layout: of the output, if it differs. Raises FFmpegError."""
        self._base = Fraction(1, like.sample_rate)
        self._pushed = 0
        self._graph = Graph()
        source = self._graph.add(
            "abuffer",
            sample_rate=str(like.sample_rate),
            sample_fmt=like.format.name,
            channel_layout=like.layout.name,
            time_base=str(self._base),
        )
        # libswresample outputs nothing for sound shorter than its filter, so that is padded with silence.
        fills = 2 * _TAPS * max(like.sample_rate, rate_hz) // rate_hz
        pad = self._graph.add("apad", f"whole_len={fills}")
        resample = self._graph.add("aresample", f"{rate_hz}:{_QUALITY}")
        form = self._graph.add(
            "aformat", f"sample_fmts={sample_format}:sample_rates={rate_hz}:channel_layouts={layout or like.layout.name}"
        )
        self._graph.link_nodes(source, pad, resample, form, self._graph.add("abuffersink")).configure()

    def push(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        """The output that this frame completes; None: the input has ended."""
        if frame is not None:
            frame.pts, frame.time_base = self._pushed, self._base
            self._pushed += frame.samples
        self._graph.push(frame)
        while True:
            try:
                ready = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(ready, av.AudioFrame)
            yield ready


def kind_of(frame: av.AudioFrame) -> tuple[int, str, str]:
    """What all frames of a resampler have in common."""
    return frame.sample_rate, frame.format.name, frame.layout.name
