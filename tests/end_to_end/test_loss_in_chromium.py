"""Loss both ways, decided with seeds, between a real browser and the server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.lossy import Lossy, Way, at_random
from tests.support.softphone import OPUS, RED

pytestmark = pytest.mark.real_time

SCRIPT = Path(__file__).parents[1] / "bench" / "loss.js"


async def test_chromium_behind_a_bad_network(server: Any, browser: Any, visit: Any) -> None:
    """Chromium speaks and listens at 10 % loss each way, by RED and NACK: what was lost is sent again both ways, next to nothing is
    concealed by the worker."""
    house = await server({"denoise.default": "passthrough", "ingest.reorder_ms": 100})
    page = await visit(house.url + "/login")
    await page.evaluate(SCRIPT.read_text())
    await page.evaluate("""fetch("/api/register", {method: "POST", headers: {"Content-Type": "application/json"},
        body: JSON.stringify({username: "ada", password: "correct horse battery"})}).then(answer => answer.ok || Promise.reject(answer))""")

    def bad(seed: int) -> Lossy:
        return Lossy(house.media_port, Way(at_random(0.1, seed)), Way(at_random(0.1, seed + 1)))

    async with bad(11) as mouth, bad(13) as plain, bad(15) as doubled:
        await page.evaluate("ask => loss.publish(ask)", {"name": "mic", "url": "/whip/ada", "port": mouth.port, "red": True, "nack": True})
        async with asyncio.timeout(20):
            while not (await page.evaluate("fetch('/api/stream/status/ada').then(answer => answer.json())"))["live"]:
                await asyncio.sleep(0.05)
        for name, net, red_too in (("plain", plain, False), ("red", doubled, True)):
            ask = {"name": name, "url": "/whep/ada?variant=auto", "port": net.port, "red": red_too, "nack": True}
            await page.evaluate("ask => loss.listen(ask)", ask)
        seen: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(60):
            while len(seen) < 3 or min(row.get("packetsReceived", row.get("packetsSent", 0)) for row in seen.values()) < 300:
                await asyncio.sleep(0.2)
                seen = {name: await page.evaluate("name => loss.counts(name)", name) for name in ("mic", "plain", "red")}
        status = await page.evaluate("fetch('/api/stream/status/ada').then(answer => answer.json())")
        await page.evaluate("loss.hangUp()")
    assert mouth.up.types == doubled.down.types == {RED} and plain.down.types == {OPUS}  # Chromium's numbers, as the softphone's
    assert seen["mic"]["nackCount"] > 0 and seen["mic"]["retransmittedPacketsSent"] > 0
    for name in ("plain", "red"):
        assert seen[name]["nackCount"] > 0 and seen[name]["packetsLost"] <= 0.05 * seen[name]["packetsReceived"]
    assert status["loss"]["lost"] <= 0.03 * status["loss"]["received"]
