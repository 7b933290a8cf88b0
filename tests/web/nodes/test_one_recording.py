"""One recording of a broadcast that goes from node to node: two real servers, one PostgreSQL, one Redis, and kill -9."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import StartServer
from tests.support.people import Person, befriend, signed_up
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.running import Server
from tests.support.several import Two, a_and_b, at, ready
from tests.support.softphone import Softphone
from tests.support.spoken import decoded, packets_of

WAIT_S = 60.0
TALK_S = 2.0
VOICE = packets_of(4)


@pytest.fixture
async def two(redis: RedisServer, server: StartServer, postgres_server: Postgres) -> AsyncIterator[Two]:
    """Nodes a and b, which keep nothing in the trash."""
    async with a_and_b(server, redis, postgres_server, recording__trash_days=0) as found:
        yield found


@asynccontextmanager
async def talking(person: Person) -> AsyncIterator[Softphone]:
    """The person speaks through this node until the block ends, and hangs up without a word: the broadcast is not stopped by that."""
    phone = person.phone()
    over = asyncio.Event()
    task: asyncio.Task[Any] | None = None
    try:
        await phone.publish(person.name)
        task = asyncio.create_task(phone.talk([VOICE[each % len(VOICE)] for each in range(6000)], until=over))
        await person.until(person.name, state="live")
        yield phone
    finally:
        over.set()
        if task is not None:
            await task
        await phone.hang_up()


async def settled(person: Person, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The only recording, once this is so."""
    async with asyncio.timeout(WAIT_S):
        while True:
            [row] = await person.call("GET", f"/api/recordings/{person.name}")
            if true(row):
                found: dict[str, Any] = row
                return found
            await asyncio.sleep(0.05)


async def gone(true: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():
            await asyncio.sleep(0.05)


async def sounds(person: Person, two: Two, recording: int, query: str, **headers: str) -> list[tuple[int, bytes]]:
    """What both nodes answer."""
    found = []
    for node in (two.a, two.b):
        async with person.http.get(f"{node.url}/api/recording/{recording}/audio?{query}", headers=headers) as answer:
            found.append((answer.status, await answer.read()))
    return found


def files_of(node: Server, recording: int) -> list[Path]:
    """The folders in which a node has something of a recording."""
    return sorted((node.storage / "recordings").glob(f"{recording}*")) + sorted((node.storage / "recordings").glob(".joining-*"))


def placed(two: Two, phone: Softphone) -> tuple[Server, Server]:
    """The node that has the broadcast, and the other one."""
    return (two.a, two.b) if name_of(phone) == "a" else (two.b, two.a)


def name_of(phone: Softphone) -> str:
    """Of the node that has the broadcast, as the Location tells."""
    return phone.location.rpartition("/")[2].partition(".")[0]


async def test_one_recording_over_two_deaths(two: Two, tmp_path: Path) -> None:
    """The owner is killed, the broadcaster goes on at the other node, the first comes back, takes it over again when the second is
    killed, and Stop: one recording of three parts, with its true length, every part's sound at its place, the same at both nodes, and
    the digests kept. The quota counts it once. Deleted, nothing is left of it anywhere.
    """
    async with signed_up(two.a.url, "ada") as ada, signed_up(two.b.url, "bob") as bob:
        await befriend(ada, bob)
        async with talking(ada) as phone:
            old, new = placed(two, phone)
            began = time.monotonic()
            await asyncio.sleep(TALK_S)
            old.kill()
        first_s = time.monotonic() - began
        async with talking(at(new.url, ada)) as second:
            assert placed(two, second) == (new, old)
            second_from_s = time.monotonic() - began
            await old.start()
            row = await settled(at(new.url, ada), lambda row: row["parts"][0]["sha256"])
            assert (row["state"], len(row["parts"])) == ("live", 2) and row["parts"][0]["to_s"] == pytest.approx(first_s, abs=1)
            await ready(old.url)
            new.kill()
        second_to_s = time.monotonic() - began
        ada = at(old.url, ada)
        async with talking(ada) as phone:
            third_from_s = time.monotonic() - began
            await asyncio.sleep(TALK_S)
            digest = row["parts"][0]["sha256"]
            recording = (await ada.call("POST", "/api/stream/stop"))["recording"]
            length_s = time.monotonic() - began
        row = await settled(ada, lambda row: row["state"] == "ready")
        assert row["id"] == recording and row["duration_s"] == pytest.approx(length_s, abs=1)
        assert any(span["kind"] == "gap" and span["reason"] == "node_away" for span in row["spans"])  # what the second node has
        await new.start()
        row = await settled(ada, lambda row: all(part["sha256"] for part in row["parts"]) and "node_away" not in str(row["spans"]))
        assert [part["node"] for part in row["parts"]] == [name_of(phone), name_of(second), name_of(phone)]
        assert (
            row["variants"] == ["original", "denoised"]
            and row["parts"][0]["sha256"] == digest
            and row["duration_s"] == pytest.approx(length_s, abs=2)
        )
        assert [span["reason"] for span in row["spans"] if span["kind"] == "gap"] == ["takeover", "takeover"]
        for variant in ("original", "denoised"):
            heard = await sounds(bob, two, recording, f"format=opus&variant={variant}")
            assert heard[0] == heard[1] and heard[0][0] == 200
            (tmp_path / "heard.opus").write_bytes(heard[0][1])
            sound = decoded(tmp_path / "heard.opus")
            assert len(sound) == round(row["duration_s"] * 48_000)
            for begin, end in ((0.0, first_s), (second_from_s, second_to_s), (third_from_s, length_s)):
                middle = sound[int((begin + end) / 2 * 48_000) :][:9600]
                assert np.abs(middle).max() > 0.01, (variant, begin, end)
        for query, headers in (
            ("format=opus", {"Range": "bytes=1000-1999"}),
            ("variant=both", {"Range": "bytes=-500"}),
            ("format=flac", {}),
        ):
            answers = await sounds(bob, two, recording, query, **headers)
            assert answers[0] == answers[1] and answers[0][0] in (200, 206), query
        peaks = [await at(node.url, bob).call("GET", f"/api/recording/{recording}/peaks?points=50") for node in (two.a, two.b)]
        assert peaks[0] == peaks[1] and peaks[0]["duration_s"] == row["duration_s"]
        await gone(lambda: len(files_of(two.a, recording)) + len(files_of(two.b, recording)) == 1)
        [folder] = files_of(old, recording)
        size = sum(file.stat().st_size for file in folder.iterdir())
        assert (await ada.call("GET", "/api/storage"))["used_bytes"] == row["size_bytes"] == size
        await ada.call("DELETE", f"/api/recording/{recording}", status=204)
        await gone(lambda: not files_of(two.a, recording) and not files_of(two.b, recording))


async def test_a_recording_is_deleted_while_a_node_is_away(two: Two) -> None:
    """What the killed node has of it goes when that is back; nothing of it comes back."""
    async with signed_up(two.a.url, "ada") as ada:
        async with talking(ada) as phone:
            old, new = placed(two, phone)
            await asyncio.sleep(0.5)
            old.kill()
        ada = at(new.url, ada)
        async with talking(ada):
            recording = (await ada.call("POST", "/api/stream/stop"))["recording"]
        row = await settled(ada, lambda row: row["state"] == "ready")
        assert row["parts"][0]["to_s"] is None and files_of(old, recording) and files_of(new, recording)
        await ada.call("DELETE", f"/api/recording/{recording}", status=204)
        await old.start()
        await gone(lambda: not files_of(old, recording) and not files_of(new, recording))
        assert await ada.call("GET", "/api/recordings") == []
