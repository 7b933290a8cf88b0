"""A broadcast outlives the server: killed or stopped, the next start has it parked, and its broadcaster goes on in the same recording."""

import asyncio
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from sfu.ingest.mute import silent_packet
from tests.end_to_end.test_muted import loudness, recorded, talking
from tests.support.people import Person, friends
from tests.support.running import Server
from tests.support.spoken import decoded, packets_of

VOICE = packets_of(4)
KILLS = pytest.mark.parametrize("end", ["kill", "stop"])


async def ended_and_started(house: Server, end: str, away_s: float = 0.0) -> None:
    await asyncio.to_thread(getattr(house, end))
    await asyncio.sleep(away_s)
    await house.start()


async def chord(person: Person, name: str) -> float:
    """Press one on a companion; where in the broadcast that was."""
    made = await person.call("POST", "/api/companions", {"kind": "practice"}, status=201)
    async with person.http.ws_connect(f"{person.url}/ws/session/{made['id']}", headers={"Origin": person.url}) as socket:
        await socket.send_json({"type": "chord_change", "data": {"chord": name}})
        while (said := await socket.receive_json())["type"] != "chord_change":
            pass
        return round(float(said["data"]["at_s"]), 3)


async def live(person: Person, query: str = "") -> dict[str, Any]:
    """Somebody talks for a second and a half, perhaps in a broadcast that there is; the status at the end of it. Then the phone is gone."""
    phone = person.phone()
    try:
        await phone.publish(person.name, query)
        async with talking(phone):
            began = await person.until(person.name, state="live")
            async with asyncio.timeout(60):
                while (status := await person.status())["duration_s"] < began["duration_s"] + 1.5:
                    await asyncio.sleep(0.02)
        return status
    finally:
        phone.lossy = lambda datagram: True
        await phone.hang_up()


async def strength_written(house: Server, strength_db: float) -> None:
    """Wait until the only live broadcast is stored with it: except for muting, a change is answered first and written soon after."""
    async with asyncio.timeout(60):
        with closing(sqlite3.connect(house.storage / "hushcast.db")) as database:
            while database.execute("SELECT strength_db FROM live_broadcast").fetchall() != [(strength_db,)]:
                await asyncio.sleep(0.02)


@KILLS
async def test_the_broadcaster_goes_on_where_the_server_ended(server, end: str) -> None:
    """Same id, beginning, title and switches, seen by friends; one recording of the true length, with silence where the server was away."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await live(ada, "?denoise=1&title=Tea")
        await ada.call("POST", "/api/stream/denoise", {"strength_db": 20})
        before, began = await ada.status(), time.monotonic()
        began -= before["duration_s"]
        friend = await ben.call("GET", "/api/friends")
        await strength_written(house, 20)
        await ended_and_started(house, end, away_s=2.0)
        after = await ben.until("ada", state="parked")
        for key in ("live", "broadcast", "since", "title", "muted", "recording"):
            assert after[key] == before[key]
        for key in ("enabled", "denoiser", "strength_db"):
            assert after["denoise"][key] == before["denoise"][key]
        assert before["denoise"]["strength_db"] == 20 and await ben.call("GET", "/api/friends") == friend and friend[0]["live"]
        async with ben.http.ws_connect(f"{house.url}/ws/presence", headers={"Origin": house.url}) as socket:
            assert (await socket.receive_json())["data"]["friends"][0]["live"] is True
        async with ben.phone() as ear, ada.phone() as mic:
            await ear.listen("ada")
            await mic.publish("ada")
            async with talking(mic):
                resumed = await ben.until("ada", state="live", broadcast=before["broadcast"])
                truth = time.monotonic() - began
                assert abs(resumed["duration_s"] - truth) < 1.0
                await ear.heard(60)
                chord_s = await chord(ada, "Am")
                assert abs(chord_s - (time.monotonic() - began)) < 1.0
            spoken_s = time.monotonic() - began
            numbers = [packet.sequence for _, packet in ear.received]
            assert {later - earlier & 0xFFFF for earlier, later in pairwise(numbers)} == {1}
            assert (await ada.call("POST", "/api/stream/stop")) == {"recording": before["recording"]["id"]}
        folder = await recorded(house, ada)
        [row] = await ada.call("GET", "/api/recordings")
        assert row["id"] == before["recording"]["id"] and row["title"] == "Tea" and abs(row["duration_s"] - spoken_s) < 1.0
        assert [chapter["at_s"] for chapter in row["chapters"]] == [chord_s]
        for name in ("original.opus", "denoised.opus"):
            sound = decoded(folder / name)
            assert len(sound) == round(row["duration_s"] * 48_000)
            back_s = resumed["duration_s"]
            assert loudness(sound, before["duration_s"] + 1.0, back_s - 1.0) < 1e-3
            assert loudness(sound, 0.3, before["duration_s"] - 1.0) > 0.01 < loudness(sound, len(sound) / 48_000 - 0.5, len(sound) / 48_000)
        assert (await ada.status())["live"] is False
        await ended_and_started(house, "kill")
        assert (await ada.status())["state"] == "ended"  # nothing brings back what was stopped


@KILLS
async def test_who_does_not_come_back_has_the_grace_time(server, end: str) -> None:
    """It counts from readiness, whatever the server was away; then the recording is finalised, at most a second short, as one."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 3.0})
    async with friends(house.url, "ada", "ben") as (ada, ben):
        before = await live(ada, "?denoise=1")
        await asyncio.to_thread(getattr(house, end))
        await asyncio.sleep(3.5)  # longer than the grace time
        await house.start()
        ready = time.monotonic()
        async with ben.http.ws_connect(f"{house.url}/ws/stream/ada", headers={"Origin": house.url}) as socket:
            assert (await socket.receive_json())["data"]["state"] == "parked"
            async with asyncio.timeout(60):
                while (said := await socket.receive_json())["type"] != "ended":
                    pass
        assert said["data"] == {"recording": before["recording"]["id"]} and time.monotonic() - ready > 1.5
        folder = await recorded(house, ada)
        [row] = await ada.call("GET", "/api/recordings")
        assert before["duration_s"] - 1.0 <= row["duration_s"] <= before["duration_s"] + 1.5
        assert len(decoded(folder / "original.opus")) == round(row["duration_s"] * 48_000)
        await ended_and_started(house, end)
        assert (await ada.status())["state"] == "ended" and len(await ada.call("GET", "/api/recordings")) == 1


@pytest.mark.parametrize("how", ["stop", "delete", "token revoked"])
async def test_what_is_parked_after_a_restart_can_be_stopped(server, how: str) -> None:
    """By the command, by DELETE of the resource that the last run gave out, and by the end of the token that it was made with."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 60.0})
    async with friends(house.url, "ada") as (ada,), aiohttp.ClientSession() as http:
        made = await ada.call("POST", "/api/tokens", {"name": "obs", "scopes": ["publish"]}, status=201)
        bearer = {"Authorization": f"Bearer {made['token']}"}
        phone = ada.phone()
        phone._headers = bearer
        await phone.publish("ada")
        async with talking(phone):
            before = await ada.until("ada", live=True)
            while (before := await ada.status())["recording"]["id"] is None:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
        await asyncio.to_thread(house.kill)
        await phone.hang_up(say_so=False)
        await house.start()
        assert (await ada.status())["state"] == "parked"
        if how == "stop":
            assert await ada.call("POST", "/api/stream/stop") == {"recording": before["recording"]["id"]}
        elif how == "delete":
            assert [(await http.delete(phone.url, headers=bearer)).status for _ in range(2)] == [200, 404]
        else:
            await ada.call("DELETE", f"/api/tokens/{made['id']}", status=204)
        assert (await ada.status())["state"] == "ended"
        await recorded(house, ada)


@KILLS
async def test_mute_outlives_the_server(server, end: str) -> None:
    """Muted, the server ends at once, and comes back: whoever resumes is not heard until it is lifted; no kill is too soon for that."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await live(ada, "?denoise=0")
        await ada.call("POST", "/api/stream/mute", {"muted": True}, status=204)
        await ended_and_started(house, end)
        assert (await ben.status("ada"))["muted"] is True
        async with ben.phone() as ear, ada.phone() as mic:
            await ear.listen("ada", "?variant=original")
            await mic.publish("ada")
            async with talking(mic):
                await ear.heard(50)
                assert {packet.payload for _, packet in ear.received} == {silent_packet(VOICE[0][0], 960)}
                await ada.call("POST", "/api/stream/mute", {"muted": False}, status=204)
                await ear.heard(len(ear.received) + 20)
            assert ear.received[-1][1].payload in VOICE


async def test_two_ends_in_a_row_and_one_while_it_is_taken_up(server) -> None:
    """Killed as soon as it is ready, twice, and stopped: it is still the same broadcast, and one recording with all that was said."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada") as (ada,):
        before = await live(ada, "?denoise=1")
        for end in ("kill", "kill", "stop"):
            await ended_and_started(house, end)
            assert (await ada.status())["broadcast"] == before["broadcast"]
        again = await live(ada)
        assert again["broadcast"] == before["broadcast"]
        await ended_and_started(house, "kill")
        await ada.call("POST", "/api/stream/stop")
        folder = await recorded(house, ada)
        sound = decoded(folder / "original.opus")
        assert loudness(sound, 0.3, before["duration_s"] - 1.0) > 0.01 and len(sound) / 48_000 > again["duration_s"] - 1.0


@pytest.mark.parametrize("after_packets", [1, 3, 10])
async def test_killed_within_its_first_moments(server, after_packets: int) -> None:
    """Whether it was written down by then or not, the next start is sound: parked, or over with what was recorded."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada") as (ada,):
        phone = ada.phone()
        await phone.publish("ada")
        await phone.talk(VOICE[:after_packets])
        await asyncio.to_thread(house.kill)
        await phone.hang_up(say_so=False)
        await house.start()
        status = await ada.status()
        assert status["state"] in ("parked", "ended")
        if status["live"]:
            await live(ada)
            await ada.call("POST", "/api/stream/stop")
        for row in await ada.call("GET", "/api/recordings"):
            async with asyncio.timeout(60):
                while (await ada.call("GET", "/api/recordings"))[0]["state"] not in ("ready", "failed"):
                    await asyncio.sleep(0.05)
            assert row["id"] and status["recording"]["id"] in (None, row["id"])


async def test_what_is_not_recorded_goes_on_unrecorded(server) -> None:
    """`record=0` outlives the server too; so does being live when recording is switched off meanwhile, and what there was is finalised."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada", "ben") as (ada, ben):
        unrecorded, before = await live(ada, "?record=0"), await live(ben)
        await asyncio.to_thread(house.kill)
        house._settings["recording.enabled"] = False
        await house.start()
        for person, known in ((ada, unrecorded), (ben, before)):
            status = await person.status()
            assert (status["state"], status["broadcast"], status["recording"]["id"]) == ("parked", known["broadcast"], None)
        await recorded(house, ben)
        await live(ben)
        assert await ben.call("POST", "/api/stream/stop") == {"recording": None}
        assert await ada.call("POST", "/api/stream/stop") == {"recording": None}
        assert await ada.call("GET", "/api/recordings") == [] and len(await ben.call("GET", "/api/recordings")) == 1


async def test_an_account_that_went_meanwhile_brings_nothing_back(server) -> None:
    """Its rows are gone with it, and a row without a user's is nobody's broadcast."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await live(ada)
        await asyncio.to_thread(house.kill)
        with sqlite3.connect(house.storage / "hushcast.db") as database:
            database.execute("PRAGMA foreign_keys=1")
            database.execute("DELETE FROM user WHERE username = 'ada'")
        database.close()
        await house.start()
        assert (await ben.call("GET", "/api/stream/status/ben"))["live"] is False
        await ben.call("GET", "/api/stream/status/ada", status=404)


async def test_a_recording_whose_files_are_gone_is_begun_anew(server) -> None:
    """The broadcast goes on, and so does its recording: from where it is now, with silence before."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 30.0})
    async with friends(house.url, "ada") as (ada,):
        before = await live(ada)
        await asyncio.to_thread(house.kill)
        folder: Path = house.storage / "recordings" / str(before["recording"]["id"])
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        await house.start()
        again = await live(ada)
        await ada.call("POST", "/api/stream/stop")
        sound = decoded(await recorded(house, ada) / "original.opus")
        assert len(sound) / 48_000 > again["duration_s"] - 1.0 and np.abs(sound[-24_000:]).max() > 0.05
