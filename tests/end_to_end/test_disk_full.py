"""A server on a disk that gets full: nobody is shut out, the voice goes on, and what waits for room is done when there is some."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.conftest import StartServer
from tests.support.disks import fill, small_disk
from tests.support.people import PASSWORD, Person, signed_up
from tests.support.softphone import Softphone
from tests.workers.speech import packets, voice

SAID = [packet.payload for packet in packets(voice(2))]
MB = 1_000_000
SETTINGS = {"storage.floor_mb": 4, "denoise.default": "rnnoise", "models.path": []}


@asynccontextmanager
async def talking(person: Person) -> AsyncIterator[Softphone]:
    async with person.phone() as mic:
        await mic.publish(person.name, "?denoise=0")
        speaking = asyncio.create_task(mic.talk(SAID * 60))
        try:
            yield mic
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)


async def code_of(person: Person, method: str, path: str, body: object = None) -> tuple[int, str | None, str | None]:
    """Status, code and Retry-After."""
    async with person.http.request(method, person.url + path, json=body, headers={"Origin": person.url}) as answer:
        said = await answer.json() if "problem" in answer.content_type else {}
        return answer.status, said.get("code"), answer.headers.get("Retry-After")


async def recorded(person: Person, **wanted: object) -> dict[str, object]:
    """Wait until the status tells this of the recording."""
    while True:
        recording: dict[str, object] = (await person.status())["recording"]
        if all(recording[name] == value for name, value in wanted.items()):
            return recording
        await asyncio.sleep(0.05)


async def listed(person: Person, recording: object, state: str) -> dict[str, object]:
    while True:
        found = next(each for each in await person.call("GET", "/api/recordings") if each["id"] == recording)
        if found["state"] == state:
            return dict(found)
        await asyncio.sleep(0.1)


async def until_refused(person: Person) -> tuple[int, str | None, str | None]:
    """Make links until one does not fit any more: what the journal holds already takes some."""
    while True:
        answer = await code_of(person, "POST", "/api/listen-links", {})
        if answer[0] != 201:
            return answer
        await person.call("DELETE", f"/api/listen-links/{(await person.call('GET', '/api/listen-links'))[0]['id']}")


def seen_long_ago(database: Path) -> None:
    """All logins were used two hours ago: to be noted at the next request."""
    with sqlite3.connect(database) as rows:
        rows.execute("UPDATE login SET seen_at = '2' || substr(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-2 hours'), 2)")
    rows.close()


async def test_the_floor_ends_the_recording_and_nothing_else(server: StartServer, tmp_path: Path, stretch: float) -> None:
    """At the floor the file ends cleanly and all are told; it is finalised, outline and all, when there is room again."""
    with small_disk(tmp_path / "disk", 40 * MB) as disk:
        running = await server({**SETTINGS, "storage.path": str(disk)})
        async with signed_up(running.url, "ada") as ada, asyncio.timeout(90 * stretch):
            socket = await ada.http.ws_connect(f"{running.url}/ws/stream/ada", headers={"Origin": running.url})
            async with talking(ada):
                recording = await recorded(ada, failed=None)
                while recording["id"] is None:
                    recording = await recorded(ada, failed=None)
                await asyncio.sleep(1)
                filling = fill(disk, leave=3 * MB)
                assert (await recorded(ada, failed="storage_full"))["id"] == recording["id"]
                while (await socket.receive_json())["data"].get("recording", {}).get("failed") != "storage_full":
                    pass
                assert (await ada.status())["live"]
                assert (await code_of(ada, "GET", "/readyz"))[0] == 200, "there is room for accounts"
                assert (await ada.call("POST", "/api/stream/stop"))["recording"] == recording["id"]
            await socket.close()
            found = await listed(ada, recording["id"], "finalising")
            await asyncio.sleep(2)
            found = await listed(ada, recording["id"], "finalising")
            assert found["duration_s"] > 0.9 and found["stats"]["failed"] == "storage_full"
            assert (await code_of(ada, "GET", f"/api/recording/{recording['id']}/peaks"))[:2] == (409, "not_ready")
            assert (await code_of(ada, "GET", f"/api/recording/{recording['id']}/audio?format=flac")) == (507, "storage_full", "60")
            assert (await code_of(ada, "GET", f"/api/recording/{recording['id']}/audio"))[0] == 200
            assert running.log.count("waits for room") == 1
            filling.unlink()
            await listed(ada, recording["id"], "ready")
            assert (await ada.call("GET", f"/api/recording/{recording['id']}/peaks"))["peaks"]
            assert (disk / "recordings" / str(recording["id"]) / "heard.wav").exists()
        running.stop()
    assert "Traceback" not in running.log


async def test_a_full_disk_shuts_nobody_out(server: StartServer, tmp_path: Path, stretch: float) -> None:
    """Who was seen long ago reads on, what writes is 507, going live is not recorded and says so, and the log has one line."""
    with small_disk(tmp_path / "disk", 20 * MB) as disk:
        running = await server({**SETTINGS, "storage.path": str(disk)})
        async with signed_up(running.url, "ada") as ada, asyncio.timeout(120 * stretch):
            token = (await ada.call("POST", "/api/tokens", {"name": "obs", "scopes": ["listen"]}))["token"]
            seen_long_ago(disk / "hushcast.db")
            filling = fill(disk)
            assert await until_refused(ada) == (507, "storage_full", "60")
            for path in ("/api/me", "/api/friends", "/api/recordings", "/api/storage", "/api/tokens", "/api/stream/status/ada", "/"):
                assert (await code_of(ada, "GET", path))[0] == 200, path
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as program:
                async with program.get(f"{running.url}/api/stream/status/ada") as answer:
                    assert answer.status == 200
            account = {"username": "ben", "password": PASSWORD}
            for path, body in (("/api/register", account), ("/api/login", {**account, "username": "ada"})):
                assert (await code_of(ada, "POST", path, body))[0] in (507, 200, 201), path
            assert await code_of(ada, "GET", "/readyz") == (503, "storage_full", "60")
            async with talking(ada):
                assert (await recorded(ada, failed="storage_full"))["id"] is None
                assert (await ada.status())["live"]
                assert await ada.call("POST", "/api/stream/stop") == {"recording": None}
            filling.unlink()
            while (await code_of(ada, "GET", "/readyz"))[0] != 200:
                await asyncio.sleep(0.2)
            assert (await code_of(ada, "POST", "/api/listen-links", {}))[0] == 201
        running.stop()
    assert "Traceback" not in running.log and "rollback" not in running.log
    assert running.log.count("the database cannot be written: storage_full") == 1
