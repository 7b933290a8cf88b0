"""The pictures of the page in docs/pictures: their names, by the walk that takes them, and the camera.

Every state is taken twice, NAME-desk.png in light and NAME-phone.png in dark; a phone beside the computer only as a phone.
"""

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Locator, Page, expect

from tests.browser.people import REPORTS
from tests.support.running import ROOT

COMMITTED = ROOT / "docs" / "pictures"
FOLDER = ROOT / os.environ.get("HUSHCAST_PICTURES", REPORTS / "pictures")
LOOKS: dict[str, tuple[dict[str, int], str]] = {
    "desk": ({"width": 1280, "height": 800}, "light"),
    "phone": ({"width": 390, "height": 844}, "dark"),
}
STATES = {
    "at_the_door": ("sign-in", "register-by-invite", "link-quiet", "link-live", "link-ended"),
    "alone": ("home-nobody", "studio-before", "library-empty", "settings", "search", "doctor", "unknown-page", "home-request", "home-away"),
    "microphones": ("studio-refused", "studio-silent", "studio-insecure"),
    "on_air": (
        "studio-live",
        "studio-muted",
        "studio-raw",
        "studio-not-recorded",
        "studio-elsewhere",
        "studio-taken-over",
        "studio-details",
    ),
    "listening": (
        "home-on-air",
        "listener-before",
        "listener-clean",
        "listener-chosen-raw",
        "listener-turned-off",
        "listener-muted",
        "listener-elsewhere",
        "listener-stopped",
        "listener-after",
    ),
    "lost": ("studio-dropped", "listener-waiting", "studio-away", "listener-away"),
    "no_room": ("studio-bypassed", "listener-bypassed"),
    "recordings": ("library-live", "library-rows", "library-opened"),
    "at_home": ("home-raw", "befriended", "listener-muted-here", "friend-away", "link-away"),
    "companions": ("remote", "remote-muted", "practice", "remote-ended"),
    "before_sound": ("studio-first", "studio-connecting", "studio-no-udp"),
    "without_sound": ("studio-unplugged", "studio-waiting", "studio-phone"),
    "short_of": ("studio-no-weights", "studio-full-disk"),
}
COLOURS = (64, 24, 12)  # the first number of them that makes a file small enough
MOST_BYTES = 42_000
SETTLED_MS = 300  # changes of the page take 240 ms; the ribbon is drawn anew in its new size


def files(walk: str) -> set[str]:
    """The names of the files that this walk makes."""
    looks = ("phone",) if walk == "companions" else tuple(LOOKS)
    return {f"{state}-{look}.png" for state in STATES[walk] for look in looks}


class Camera:
    """Takes the pictures of one walk. `with Camera(WALK) as shot` fails at its end unless it has taken exactly the walk's states."""

    def __init__(self, walk: str) -> None:
        self._walk = walk
        self._taken: set[str] = set()

    def __enter__(self) -> "Camera":
        FOLDER.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: Any) -> None:
        assert failure or self._taken == files(self._walk), self._taken ^ files(self._walk)

    async def __call__(self, page: Page, state: str, says: Locator, *, top: Locator | None = None, whole: bool = False) -> None:
        """Both pictures of this state, or the phone's alone, taken while the page says so; leaves the page wide and light.

        top: where the picture begins, else at the top of the page. whole: all of the page, as by scrolling.
        """
        await page.bring_to_front()  # a tab that is hidden draws nothing
        await page.mouse.move(0, 0)
        for look in (*LOOKS, next(iter(LOOKS))):
            await page.set_viewport_size(LOOKS[look][0])  # type: ignore[arg-type]
            await page.emulate_media(color_scheme=LOOKS[look][1])  # type: ignore[arg-type]
            name = f"{state}-{look}.png"
            if name not in files(self._walk) - self._taken:
                continue
            await (top or page.locator("html")).evaluate("(element) => element.scrollIntoView()")
            await page.wait_for_timeout(SETTLED_MS)
            await expect(says.first).to_be_visible()
            picture = await page.screenshot(full_page=whole)
            assert await says.first.is_visible(), f"{name}: the state has changed meanwhile"
            (FOLDER / name).write_bytes(small(picture))
            self._taken.add(name)


def small(png: bytes) -> bytes:
    """The same picture in a few colours, of at most MOST_BYTES."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in COLOURS:
        made = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
        if made.tell() <= MOST_BYTES:
            break
    assert made.tell() <= MOST_BYTES, made.tell()
    return made.getvalue()


def linked(text: str) -> set[str]:
    """The pictures that a document shows."""
    return {Path(part.split(")")[0]).name for part in text.split("](pictures/")[1:]}
