"""What the channels of a file are: names for those that have none, and what the encoders take."""

import av

# By count, as FLAC, Vorbis and Opus have them: a plain WAV says only how many there are.
_USUAL = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_UNNAMED = " channels"  # with which FFmpeg's word for a count alone ends
_KNOWS_NO_SIDES = ("libopus", "aac")  # they have one kind of surround: at the sides or behind is the same to them


def named(layout: av.AudioLayout) -> str:
    """FFmpeg's name of the layout, the usual one for up to eight channels of which only the count is known."""
    if layout.name.endswith(_UNNAMED) and layout.nb_channels <= len(_USUAL):
        return _USUAL[layout.nb_channels - 1]
    return layout.name


def written(layout: str, codec: str, most: int | None) -> str | None:
    """What a file has for sound of this layout, where its codec takes at most so many channels. None: it has no way."""
    if most is not None and av.AudioLayout(layout).nb_channels > most:
        return None if layout.endswith(_UNNAMED) else "stereo"
    return layout.replace("(side)", "") if codec in _KNOWS_NO_SIDES else layout
