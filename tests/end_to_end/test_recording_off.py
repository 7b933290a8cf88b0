"""Recording turned off and on while the broadcast goes on: each time another recording, with a time line of its own."""

import asyncio
from typing import Any

import pytest

from tests.end_to_end.test_muted import talking
from tests.end_to_end.test_outliving import chord
from tests.support.people import Person, friends

NOT_RECORDED = {"id": None, "failed": None}


async def turned(person: Person, on: bool) -> dict[str, Any]:
    """The status after the command."""
    status: dict[str, Any] = await person.call("POST", "/api/stream/recording", {"on": on}, status=200)
    return status


async def goes_on(person: Person, for_s: float) -> None:
    """Wait until the broadcast is so much longer."""
    until = (await person.status())["duration_s"] + for_s
    async with asyncio.timeout(60):
        while (await person.status())["duration_s"] < until:
            await asyncio.sleep(0.02)


async def ready(person: Person, count: int) -> list[dict[str, Any]]:
    """All recordings, oldest first, once they are ready."""
    async with asyncio.timeout(60):
        while True:
            rows: list[dict[str, Any]] = await person.call("GET", "/api/recordings")
            if [row["state"] for row in rows] == ["ready"] * count:
                return rows[::-1]
            await asyncio.sleep(0.05)


async def test_off_and_on(server) -> None:
    """Off ends the file and everybody sees that; on begins another one, which has its own length and places; a restart continues it."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada", "ben") as (ada, ben), ada.phone() as mic:
        await ada.call("POST", "/api/stream/recording", {"on": False}, status=409)
        link = (await ada.call("POST", "/api/listen-links"))["url"].rpartition("/")[2]
        bearer = {"Authorization": f"Bearer {link}"}
        await mic.publish("ada", "?title=Tea")
        async with talking(mic):
            await ada.until("ada", state="live")
            before = await turned(ada, True)  # as it is already
            first = before["recording"]["id"]
            assert first is not None and before["recording"]["failed"] is None
            await goes_on(ada, 1.0)
            assert (await turned(ada, False))["recording"] == NOT_RECORDED
            assert (await ben.status("ada"))["recording"] == NOT_RECORDED
            async with ben.http.get(f"{house.url}/api/stream/status/ada", headers=bearer) as answer:
                assert (await answer.json())["recording"] == NOT_RECORDED
            [row] = await ready(ada, 1)
            assert row["id"] == first and row["duration_s"] < 15
            await goes_on(ada, 2.0)
            assert (await turned(ada, False))["recording"] == NOT_RECORDED
            began_s = (await ada.status())["duration_s"]
            second = (await turned(ada, True))["recording"]["id"]
            assert second not in (None, first) and (await ben.status("ada"))["recording"] == {"id": second, "failed": None}
            at_s = await chord(ada, "Am")
            await goes_on(ada, 1.5)
        await ada.call("PATCH", f"/api/recording/{second}", {"title": "Cake"}, status=200)
        assert (await ada.status())["title"] == "Cake"
        await asyncio.to_thread(house.kill)
        await house.start()
        async with ada.phone() as again:
            assert (await ada.until("ada", state="parked"))["recording"] == {"id": second, "failed": None}
            await again.publish("ada")
            async with talking(again):
                after = await ada.until("ada", state="live")
                assert (after["broadcast"], after["recording"]["id"], after["title"]) == (before["broadcast"], second, "Cake")
                await goes_on(ada, 0.5)
                ended_s = (await ada.status())["duration_s"]
                assert await ada.call("POST", "/api/stream/stop") == {"recording": second}
        older, newer = await ready(ada, 2)
        assert (older["id"], older["title"], newer["id"], newer["title"]) == (first, "Tea", second, "Cake")
        assert abs(newer["duration_s"] - (ended_s - began_s)) < 1.5
        [chapter] = newer["chapters"]
        assert abs(chapter["at_s"] - (at_s - began_s)) < 1.5 and not older["chapters"]
        assert newer["started_at"] > older["started_at"]


@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_off_stays_off(server, end: str) -> None:
    """Through a restart of the server and a takeover that asks for recording; Stop tells the id of what was recorded."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada") as (ada,), ada.phone() as mic, ada.phone() as again:
        await mic.publish("ada")
        async with talking(mic):
            await ada.until("ada", state="live")
            await turned(ada, True)
            await goes_on(ada, 0.5)
            await turned(ada, False)
        await asyncio.to_thread(getattr(house, end))
        await house.start()
        await again.publish("ada", "?record=1")
        async with talking(again):
            await ada.until("ada", state="live", recording=NOT_RECORDED)
            await goes_on(ada, 0.5)
            assert (await ada.status())["recording"] == NOT_RECORDED
        await ada.call("POST", "/api/stream/stop")
        assert len(await ready(ada, 1)) == 1


async def test_off_from_the_start(server) -> None:
    """A broadcast that began unrecorded can be recorded later; the recording has no silence before it."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada") as (ada,), ada.phone() as mic:
        await mic.publish("ada", "?record=0")
        async with talking(mic):
            await ada.until("ada", state="live", recording=NOT_RECORDED)
            await goes_on(ada, 2.0)
            recording = (await turned(ada, True))["recording"]["id"]
            await goes_on(ada, 0.5)
            so_far_s = (await ada.status())["duration_s"]
        assert await ada.call("POST", "/api/stream/stop") == {"recording": recording}
        [row] = await ready(ada, 1)
        assert row["duration_s"] < so_far_s - 1.5 and "gap" not in {span["kind"] for span in row["spans"]}
