"""The broadcaster's commands: what is refused before anybody is asked whether he is live; and what a broadcast is called."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from tests.support.people import friends
from tests.support.spoken import packets_of
from tests.web.conftest import House

BAD = (
    b'{"strength_db": 100.5}',
    b'{"strength_db": -1}',
    b'{"strength_db": true}',
    b'{"strength_db": "1"}',
    b'{"strength_db": 1e999}',
    b'{"strength_db": 1' + b"0" * 400 + b"}",
    b'{"enabled": 1}',
    b'{"denoiser": []}',
)


@pytest.mark.parametrize("body", BAD)
async def test_a_bad_change_is_refused(house: House, body: bytes) -> None:
    """A strength outside 0 to 100, however far, and fields of the wrong kind are 422."""
    alice = await house.user("alice")
    assert (await alice.raw("POST", "/api/stream/denoise", data=body)).status == 422


@pytest.mark.parametrize(
    "body", [b"{}", b'{"muted": 1}', b'{"muted": null}', b'{"muted": "true"}', b'{"muted": true, "for_s": 5}', b"[true]", b"muted"]
)
async def test_mute_takes_a_boolean_and_nothing_else(house: House, body: bytes) -> None:
    """A missing, odd or unknown field is 422; a good one of somebody who is not live 409."""
    alice = await house.user("alice")
    assert (await alice.raw("POST", "/api/stream/mute", data=body)).status == 422
    assert (await alice.ask("POST", "/api/stream/mute", {"muted": True}))[1]["code"] == "not_live"
    assert (await alice.ask("GET", "/api/stream/status/alice"))[1]["muted"] is False


@pytest.mark.parametrize("query", ["title=%00", "title=" + "x" * 201, "denoise=2", "record=maybe"])
async def test_a_bad_wish_is_refused(house: House, query: str) -> None:
    """A title that cannot be kept, and what is neither yes nor no, are 422 before the offer is read."""
    alice = await house.user("alice")
    status, answer = await alice.ask("POST", f"/whip/alice?{query}")
    assert status == 422 and list(answer["errors"]) == [query.partition("=")[0]]


async def test_nobody_broadcasts_as_another(house: House) -> None:
    """403 where there is such a user, 404 where there is none."""
    alice = await house.user("alice")
    await house.user("bob")
    assert (await alice.ask("POST", "/whip/BOB"))[1]["code"] == "not_allowed"
    assert (await alice.ask("POST", "/whip/nobody"))[1]["code"] == "no_such_user"


async def test_a_title_given_on_air_is_told_at_once(server) -> None:
    """Whoever renames the recording of what is on air renames the broadcast: its listeners see it, and a takeover keeps it."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada", "ben") as (ada, ben), ada.phone() as mic:
        await mic.publish("ada", "?denoise=0&title=Before")
        mic.send(0, 0, packets_of(1)[0])
        assert (await ben.until("ada", live=True))["title"] == "Before"
        async with asyncio.timeout(20):
            while not (found := await ada.call("GET", "/api/recordings")):
                await asyncio.sleep(0.01)
            async with ben.http.ws_connect(f"{house.url}/ws/stream/ada", headers={"Origin": house.url}) as socket:
                for title in ("After", "After all"):
                    await ada.call("PATCH", f"/api/recording/{found[0]['id']}", {"title": title}, status=200)
                    while (said := await socket.receive_json())["type"] != "stream_state" or said["data"]["title"] != title:
                        pass
                await ada.call("PATCH", f"/api/recording/{found[0]['id']}", {"title": ""}, status=422)
        assert (await ben.status("ada"))["title"] == "After all"
        ended = await ada.call("POST", "/api/stream/stop")
        assert ended == {"recording": found[0]["id"]}
        assert (await ada.call("PATCH", f"/api/recording/{found[0]['id']}", {"title": "Later"}))["title"] == "Later"


async def test_the_title_of_another_recording_is_not_the_broadcasts(server) -> None:
    """Neither is one that counts as live still, because the end of its broadcast could not be written down yet."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada") as (ada,), ada.phone() as mic:
        await mic.publish("ada", "?denoise=0&title=Before")
        mic.send(0, 0, packets_of(1)[0])
        await ada.until("ada", live=True)
        async with asyncio.timeout(20):
            while not (found := await ada.call("GET", "/api/recordings")):
                await asyncio.sleep(0.01)
        with closing(sqlite3.connect(house.storage / "hushcast.db")) as database, database:
            same = ", ".join(name for _, name, *_ in database.execute("PRAGMA table_info(recording)") if name not in ("id", "broadcast"))
            database.execute(f"INSERT INTO recording (broadcast, {same}) SELECT 'older', {same} FROM recording")
        older, ours = [each["id"] for each in await ada.call("GET", "/api/recordings")]
        assert ours == found[0]["id"]
        assert (await ada.call("PATCH", f"/api/recording/{older}", {"title": "Older"}))["title"] == "Older"
        assert (await ada.status())["title"] == "Before"
        await ada.call("POST", "/api/stream/stop")


async def test_a_takeover_with_another_title_renames_the_recording(server) -> None:
    """Status and recording say the same; one that was given to the recording itself stays, whoever takes over, after a restart too."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada") as (ada,):

        async def titles(wanted: str) -> None:
            async with asyncio.timeout(20):
                while ((await ada.status())["title"], [row["title"] for row in await ada.call("GET", "/api/recordings")]) != (
                    wanted,
                    [wanted],
                ):
                    await asyncio.sleep(0.02)

        async def taken_over(query: str) -> None:
            so_far = (await ada.status())["loss"]["received"]
            async with ada.phone() as mic:
                await mic.publish("ada", query)
                mic.send(0, 0, packets_of(1)[0])
                async with asyncio.timeout(20):
                    while (await ada.status())["loss"]["received"] <= so_far:
                        await asyncio.sleep(0.02)

        for query, title in (("?title=One", "One"), ("?title=Two", "Two"), ("", "Two")):
            await taken_over(query)
            await titles(title)
        await asyncio.to_thread(house.kill)
        await house.start()
        await taken_over("?title=Three")
        await titles("Three")
        [row] = await ada.call("GET", "/api/recordings")
        await ada.call("PATCH", f"/api/recording/{row['id']}", {"title": "Mine"}, status=200)
        await titles("Mine")
        await taken_over("?title=Four")
        await titles("Mine")
        await asyncio.to_thread(house.stop)
        await house.start()
        await taken_over("?title=Five")
        await titles("Mine")
