"""Two spectrograms, before and after, one above the other with their axes: a PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from workers.denoiser import RATE_HZ
from workers.files.progress import clock

WIDTH, HEIGHT = 1200, 300  # of one spectrogram
LEFT, RIGHT, TOP, GAP, BOTTOM = 90, 130, 50, 70, 60  # around and between them
LOW_DB, HIGH_DB = -110, -20
# Dark to bright, perceptually uniform, safe for red-green blindness.
_STOPS = ((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164))
_INK, _PAPER = (30, 30, 30), (255, 255, 255)
Decibels = npt.NDArray[np.float32]


def draw(path: Path, panels: Sequence[tuple[str, Decibels]], seconds: float) -> None:
    """panels: titles and float32[columns, bins up to 24 kHz], all of them `seconds` long. Raises OSError."""
    height = TOP + len(panels) * HEIGHT + (len(panels) - 1) * GAP + BOTTOM
    image = Image.new("RGB", (LEFT + WIDTH + RIGHT, height), _PAPER)
    pen, font, large = ImageDraw.Draw(image), ImageFont.load_default(15), ImageFont.load_default(18)
    for number, (title, decibels) in enumerate(panels):
        top = TOP + number * (HEIGHT + GAP)
        image.paste(_coloured(decibels).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR), (LEFT, top))
        pen.rectangle((LEFT - 1, top - 1, LEFT + WIDTH, top + HEIGHT), outline=_INK)
        pen.text((LEFT, top - 12), title, _INK, large, anchor="ls")
        _frequencies(pen, font, top)
        _times(pen, font, top + HEIGHT, seconds)
        _scale(image, pen, font, top)
    image.save(path, "PNG")


def _coloured(decibels: Decibels) -> Image.Image:
    """Time to the right, frequency upwards."""
    place = np.clip((decibels.T[::-1] - LOW_DB) / (HIGH_DB - LOW_DB), 0, 1)
    return Image.fromarray(_colours(place))


def _colours(place: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """[0, 1] -> uint8[..., 3]."""
    stops, at = np.array(_STOPS, float), np.linspace(0, 1, len(_STOPS))
    return np.stack([np.interp(place, at, stops[:, colour]) for colour in range(3)], axis=-1).astype(np.uint8)


def _frequencies(pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, top: int) -> None:
    for khz in range(0, 25, 4):
        y = top + HEIGHT - round(khz * 1000 / (RATE_HZ / 2) * HEIGHT)
        pen.line((LEFT - 6, y, LEFT - 1, y), _INK)
        pen.text((LEFT - 10, y), f"{khz} kHz", _INK, font, anchor="rm")


def _times(pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, y: int, seconds: float) -> None:
    step = next((step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800) if seconds / step <= 12), 3600.0)
    for number in range(int(seconds / step) + 1):
        x = LEFT + round(number * step / max(seconds, 1e-9) * WIDTH)
        pen.line((x, y, x, y + 5), _INK)
        words = clock(number * step) if seconds >= 60 else f"{number * step:g} s"
        pen.text((x, y + 8), words, _INK, font, anchor="ma")


def _scale(image: Image.Image, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, top: int) -> None:
    """The colour bar with its levels."""
    x = LEFT + WIDTH + 25
    bar = Image.fromarray(_colours(np.linspace(1, 0, HEIGHT)[:, None].repeat(18, axis=1)))
    image.paste(bar, (x, top))
    pen.rectangle((x - 1, top - 1, x + 18, top + HEIGHT), outline=_INK)
    for level in range(LOW_DB, HIGH_DB + 1, 30):
        y = top + round((HIGH_DB - level) / (HIGH_DB - LOW_DB) * HEIGHT)
        pen.text((x + 24, y), f"{level} dB", _INK, font, anchor="lm")
