"""Channel layouts: names for unnamed ones, and what the encoders accept."""

import av

# By count, as FLAC, Vorbis and Opus define them; a plain WAV only has a count.
_USUAL = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_UNNAMED = " channels"  # the end of FFmpeg's name for a layout of which only the count is known
_KNOWS_NO_SIDES = ("libopus", "aac")  # these encoders do not distinguish side and back channels


def named(layout: av.AudioLayout) -> str:
    """FFmpeg's name of the layout; the usual one for up to eight channels if only their count is known."""
    if layout.name.endswith(_UNNAMED) and layout.nb_channels <= len(_USUAL):
        return _USUAL[layout.nb_channels - 1]
    return layout.name


def written(layout: str, codec: str, most: int | None) -> str | None:
    """The layout to write for this one, if the codec takes at most so many channels; None where it cannot be written."""
    if most is not None and av.AudioLayout(layout).nb_channels > most:
        return None if layout.endswith(_UNNAMED) else "stereo"
    return layout.replace("(side)", "") if codec in _KNOWS_NO_SIDES else layout
