"""`chunked:NAME`: runs an offline model on overlapping chunks and joins them by linear cross-fades.

This is the usual method without a streaming model. Its latency is a chunk, its processor time comes in bursts, and the model
begins each chunk without a past. It serves files and comparisons, never live voices. DeepFilterNet runs as upstream's offline
`enhance` (torch); of other denoisers each chunk gets a new voice.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from workers.denoiser import BLOCK, RATE_HZ, Denoiser, Sound
from workers.errors import OptionError

PREFIX = "chunked:"
Offline = Callable[[Sound], Sound]  # float32[n] -> float32[n], aligned; n in whole blocks


class _Voice:
    """The input of the next chunk, and the output that is not due yet."""

    def __init__(self, latency: int) -> None:
        self.noisy = np.zeros(0, np.float32)
        self.clean = np.zeros(latency, np.float32)
        self.tail = np.zeros(0, np.float32)  # of the chunk before, to be faded out


class Chunked:
    """Owns the offline model, which runs in the call that completes a chunk: that call takes as long as the model does."""

    rate_hz: ClassVar[int] = RATE_HZ
    block: ClassVar[int] = BLOCK
    latency_ms: ClassVar[float] = 1990.0  # with chunks of 2 s; `latency` is right for any length
    latency: int

    def __init__(self, options: Mapping[str, object]) -> None:
        """options: denoiser (a name), chunk_s (2), overlap_s (0.5); for DeepFilterNet also weights (a folder) and post_filter.

        Raises OptionError.
        """
        self._chunk, self._overlap = (_blocks(options, key, default) for key, default in (("chunk_s", 2.0), ("overlap_s", 0.5)))
        if not BLOCK <= self._overlap < self._chunk:
            raise OptionError("the overlap has to be shorter than the chunk, and 10 ms at least")
        self.latency = self._chunk - BLOCK
        self._fade = (np.arange(self._overlap, dtype=np.float32) + np.float32(0.5)) / np.float32(self._overlap)
        self._offline = _upstream(options) if "weights" in options else _afresh(str(options.get("denoiser")))

    def open(self) -> _Voice:
        return _Voice(self.latency)

    def clean(self, voices: "Sequence[_Voice]", noisy: Sound) -> Sound:
        """float32[n, 480] -> the same shape, `latency` samples later."""
        return np.stack([self._hop(voice, row) for voice, row in zip(voices, noisy, strict=True)])

    def _hop(self, voice: _Voice, noisy: Sound) -> Sound:
        voice.noisy = np.concatenate((voice.noisy, noisy))
        if len(voice.noisy) == self._chunk:
            step = self._chunk - self._overlap
            clean = self._offline(voice.noisy)
            if len(voice.tail):
                clean[: self._overlap] = voice.tail * (np.float32(1) - self._fade) + clean[: self._overlap] * self._fade
            voice.clean = np.concatenate((voice.clean, clean[:step]))
            voice.tail, voice.noisy = clean[step:], voice.noisy[step:]
        now, voice.clean = voice.clean[:BLOCK], voice.clean[BLOCK:]
        return now


def _blocks(options: Mapping[str, object], key: str, default: float) -> int:
    value = options.get(key, default)
    if not isinstance(value, int | float) or not 0 < value <= 60:
        raise OptionError(f"{key} has to be a number of seconds, at most 60: {value}")
    return round(value * RATE_HZ / BLOCK) * BLOCK


def _upstream(options: Mapping[str, object]) -> Offline:
    """Upstream's `enhance`. Needs torch; one process can load one model family only."""
    from workers.deepfilternet.upstream import load

    try:
        model = load(Path(str(options["weights"])), options.get("post_filter") is True)
    except (OSError, RuntimeError) as error:
        raise OptionError(f"these weights cannot be loaded: {error}") from error

    def offline(sound: Sound) -> Sound:
        late = model.enhance(np.concatenate((sound, np.zeros(2 * BLOCK, np.float32))))  # as upstream's `pad=True`
        return late[BLOCK:][: len(sound)].copy()

    return offline


def _afresh(name: str) -> Offline:
    """A new voice of a streaming denoiser for each chunk, with its latency compensated."""
    from workers import registry

    denoiser: Denoiser = registry.load(name)({})

    def offline(sound: Sound) -> Sound:
        voice, flush = denoiser.open(), np.zeros(-(-denoiser.latency // BLOCK) * BLOCK, np.float32)
        hops = np.concatenate((sound, flush)).reshape(-1, 1, BLOCK)
        clean = np.concatenate([denoiser.clean([voice], hop)[0] for hop in hops])
        return np.array(clean[denoiser.latency :][: len(sound)], np.float32)

    return offline
