"""Mouth to ear: Chromium speaks into the real server and hears itself back, denoised and as it was, beside a direct call.

One browser process, one AudioContext: microphone and the three that come back are recorded sample by sample together, so the
delays hold no clock error. What is not in them: the microphone's own and the loudspeaker's buffers.
"""

import base64
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from pesq import pesq
from playwright.async_api import Browser
from scipy.signal import resample_poly

from tests.bench import places
from tests.bench.servers import until_available
from tests.people import Person, signed_up
from tests.running import Server
from tests.sound import RATE_HZ, Sound, delay_of, read_wav, segment_si_sdr

SCRIPT = (Path(__file__).parent / "ear.js").read_text()
HEARD = ("denoised", "original", "direct")
LATE = RATE_HZ // 2  # nobody is later than this


async def measure(server: Server, browser: Browser, audio: Path, rounds: int, seconds: int = 14) -> dict[str, Any]:
    """Median of `rounds` runs; the figures of each run are kept under `runs`."""
    clean = read_wav(places.clean(audio))
    async with signed_up(server.url, "ear") as person:
        await until_available(person)
        runs = [await _run(server, browser, person, clean, seconds) for _ in range(rounds)]
    result: dict[str, Any] = {"runs": runs}
    for name in HEARD:
        result[name] = {key: statistics.median(run[name][key] for run in runs) for key in runs[0][name]}
        result[name]["to_direct"] = statistics.median(run[name]["delay_ms"] / run["direct"]["delay_ms"] for run in runs)
    result["si_sdr_gain_db"] = statistics.median(run["denoised"]["si_sdr_db"] - run["original"]["si_sdr_db"] for run in runs)
    return result


async def _run(server: Server, browser: Browser, person: Person, clean: Sound, seconds: int) -> dict[str, Any]:
    context = await browser.new_context(permissions=["microphone"], bypass_csp=True)
    try:
        cookies = [{"name": each.key, "value": each.value, "url": server.url} for each in person.http.cookie_jar]
        await context.add_cookies(cookies)  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto(server.url + "/login")
        said = await page.evaluate(SCRIPT, {"name": person.name, "seconds": seconds})
    finally:
        await context.close()
    blocks = np.frombuffer(base64.b64decode(said["sound"]), np.float32).reshape(-1, 4, 128)
    mouth, *ears = (np.ascontiguousarray(blocks[:, at].reshape(-1))[2 * RATE_HZ :] for at in range(4))
    spoken = delay_of(mouth, clean, most=len(mouth))
    run: dict[str, Any] = {"status": said["status"]}
    for name, ear, buffer in zip(HEARD, ears, said["buffers"], strict=True):
        delay = delay_of(ear, mouth, LATE)
        run[name] = {"delay_ms": delay / 48, **buffer, **quality(clean, ear, spoken + delay)}
    return run


def quality(clean: Sound, heard: Sound, start: int) -> dict[str, float]:
    """SI-SDR (median over seconds with a voice, each aligned by itself) and PESQ-wb of the file that begins at `start`."""
    start %= len(clean)  # the microphone plays it over and over; any whole copy will do
    if start + len(clean) > len(heard) and start > len(heard) - start:  # no whole copy: the longer piece of one
        start -= len(clean)
    piece = heard[max(start, 0) : start + len(clean)]
    voice = clean[max(-start, 0) :][: len(piece)]
    score = pesq(16_000, resample_poly(voice, 1, 3), resample_poly(piece, 1, 3), "wb")
    return {"si_sdr_db": float(np.median(segment_si_sdr(voice, piece))), "pesq_wb": float(score)}
