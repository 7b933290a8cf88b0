"""Mouth to ear: Chromium speaks into the real server and hears itself back, denoised and as it was, beside a direct call.

One browser process, one AudioContext: microphone and the three that come back are recorded sample by sample together, so the
delays hold no clock error. What is not in them: the microphone's own and the loudspeaker's buffers. Where the quickest denoiser
has its weights each round has a second run with it.
"""

import asyncio
import base64
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from pesq import pesq
from playwright.async_api import Browser
from scipy.signal import resample_poly

from tests.bench import meters, places
from tests.bench.servers import can_serve, until_available
from tests.support.people import Person, signed_up
from tests.support.running import Server
from tests.support.sound import RATE_HZ, Sound, delay_of, read_wav, segment_si_sdr

SCRIPT = (Path(__file__).parent / "ear.js").read_text()
HEARD = ("denoised", "original", "direct")
FIRST, QUICKEST = "deepfilternet3", "deepfilternet3_ll"
CPU_EVERY_S = 0.5
LATE = RATE_HZ // 2  # nobody is later than this


async def measure(server: Server, browser: Browser, audio: Path, rounds: int, seconds: int = 14) -> dict[str, Any]:
    """Medians of `rounds` runs, whose own figures are under `runs`. QUICKEST, where it has its weights, has runs between them."""
    clean = read_wav(places.clean(audio))
    async with signed_up(server.url, "ear") as person:
        await until_available(person)
        quick = await can_serve(person, QUICKEST)
        runs = []
        for _ in range(rounds):
            run = await _run(server, browser, person, clean, (seconds, FIRST))
            if quick:
                other = await _run(server, browser, person, clean, (seconds, QUICKEST))
                run[QUICKEST], run["status_quickest"] = other["denoised"], other["status"]
            runs.append(run)
    result: dict[str, Any] = {"runs": runs}
    for name in [name for name in (*HEARD[:1], QUICKEST, *HEARD[1:]) if name in runs[0]]:
        result[name] = {key: statistics.median(run[name][key] for run in runs) for key in runs[0][name]}
        for other in ("direct", "denoised"):
            result[name][f"to_{other}"] = statistics.median(run[name]["delay_ms"] / run[other]["delay_ms"] for run in runs)
    result["si_sdr_gain_db"] = statistics.median(run["denoised"]["si_sdr_db"] - run["original"]["si_sdr_db"] for run in runs)
    return result


async def _run(server: Server, browser: Browser, person: Person, clean: Sound, asked: tuple[int, str]) -> dict[str, Any]:
    """asked: seconds, and the denoiser."""
    context = await browser.new_context(permissions=["microphone"], bypass_csp=True)
    try:
        cookies = [{"name": each.key, "value": each.value, "url": server.url} for each in person.http.cookie_jar]
        await context.add_cookies(cookies)  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto(server.url + "/login")
        async with _watched(server.pid) as cpu_pct:
            said = await page.evaluate(SCRIPT, {"name": person.name, "seconds": asked[0], "denoiser": asked[1]})
    finally:
        await context.close()
    blocks = np.frombuffer(base64.b64decode(said["sound"]), np.float32).reshape(-1, 4, 128)
    mouth, *ears = (np.ascontiguousarray(blocks[:, at].reshape(-1))[2 * RATE_HZ :] for at in range(4))
    spoken = delay_of(mouth, clean, most=len(mouth))
    run: dict[str, Any] = {"status": said["status"]}
    for name, ear, buffer in zip(HEARD, ears, said["buffers"], strict=True):
        delay = delay_of(ear, mouth, LATE)
        run[name] = {"delay_ms": delay / 48, **buffer, **quality(clean, ear, spoken + delay)}
    run["denoised"]["cpu_pct"] = statistics.median(cpu_pct)
    return run


@asynccontextmanager
async def _watched(server: int) -> AsyncIterator[list[float]]:
    """What the server's workers take of a core, in each piece of the time in here; they may come and go."""
    found = list[float]()

    def spent() -> int:
        total = 0
        for pid in meters.family(server)[1:]:
            with suppress(OSError):
                total += meters.cpu_ns([pid])
        return total

    async def watch() -> None:
        while True:
            before, began = spent(), time.monotonic_ns()
            await asyncio.sleep(CPU_EVERY_S)
            found.append(100 * max(0, spent() - before) / (time.monotonic_ns() - began))

    watching = asyncio.create_task(watch())
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def quality(clean: Sound, heard: Sound, start: int) -> dict[str, float]:
    """SI-SDR (median over seconds with a voice, each aligned by itself) and PESQ-wb of the file that begins at `start`."""
    start %= len(clean)  # the microphone plays it over and over; any whole copy will do
    if start + len(clean) > len(heard) and start > len(heard) - start:  # no whole copy: the longer piece of one
        start -= len(clean)
    piece = heard[max(start, 0) : start + len(clean)]
    voice = clean[max(-start, 0) :][: len(piece)]
    score = pesq(16_000, resample_poly(voice, 1, 3), resample_poly(piece, 1, 3), "wb")
    return {"si_sdr_db": float(np.median(segment_si_sdr(voice, piece))), "pesq_wb": float(score)}
