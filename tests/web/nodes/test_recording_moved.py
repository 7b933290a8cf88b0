"""One recording of a broadcast that moves while its node leaves: two real servers, SIGTERM, and a broadcaster who sends to both."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import StartServer
from tests.support.people import Person, befriend, signed_up
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.several import Two, a_and_b, at
from tests.support.softphone import Softphone
from tests.support.spoken import decoded, packets_of
from tests.web.nodes.test_one_recording import name_of, placed, settled, sounds
from workers.recordings import opusfile

VOICE = packets_of(60)
TALK_S = 2.0
PACKET_S = 0.02
MOST = 5  # packets at the seam by which the time lines of both nodes may differ: each is set by when a packet came


@pytest.fixture
async def two(redis: RedisServer, server: StartServer, postgres_server: Postgres) -> AsyncIterator[Two]:
    async with a_and_b(server, redis, postgres_server) as found:
        yield found


@asynccontextmanager
async def saying(person: Person, began_s: float) -> AsyncIterator[Softphone]:
    """The person says through this node what everybody says who began then, and hangs up without a word when the block ends."""
    phone, over, task = person.phone(), asyncio.Event(), None
    try:
        await phone.publish(person.name)
        first = int((time.monotonic() - began_s) / PACKET_S)
        task = asyncio.create_task(phone.talk((VOICE[each % len(VOICE)] for each in count(first)), until=over))
        yield phone
    finally:
        over.set()
        if task is not None:
            await task
        await phone.hang_up(say_so=False)


def seam(file: Path) -> tuple[int, int, int]:
    """How many packets fill a gap, how many repeat what was said before them, and how many are left out."""
    packets = [payload for _, payload in opusfile.packets_from(file, 0)]
    steps = [after - before for before, after in pairwise(VOICE.index(payload) for payload in packets if len(payload) > 1)]
    return sum(len(payload) <= 1 for payload in packets), sum(step < 1 for step in steps), sum(max(0, step - 1) for step in steps)


async def test_one_recording_of_two_nodes(two: Two, tmp_path: Path) -> None:
    """It is as long as the broadcast, and what was said at the time of the move is in it once, at both nodes and in both variants."""
    async with signed_up(two.a.url, "ada") as ada, signed_up(two.b.url, "bob") as bob:
        await befriend(ada, bob)
        began_s = time.monotonic()
        async with saying(ada, began_s) as phone:
            old, new = placed(two, phone)
            await at(new.url, ada).until("ada", state="live", node=name_of(phone))
            live_s = (await at(new.url, ada).status("ada"))["duration_s"] - (time.monotonic() - began_s)
            await asyncio.sleep(TALK_S)
            ending = asyncio.create_task(asyncio.to_thread(old.stop))
            await at(new.url, ada).until("ada", leaving=True)
            async with saying(at(new.url, ada), began_s) as second:
                assert placed(two, second) == (new, old)
                ada = at(new.url, ada)
                await ada.until("ada", state="live", node=name_of(second), leaving=False)
                await asyncio.wait_for(ending, 60)
                seam_s = time.monotonic() - began_s + live_s
                await asyncio.sleep(TALK_S)
                length_s = time.monotonic() - began_s + live_s
                recording = (await ada.call("POST", "/api/stream/stop"))["recording"]
        await old.start()
        row = await settled(ada, lambda row: row["state"] == "ready" and all(part["sha256"] for part in row["parts"]))
        row = await settled(ada, lambda row: "node_away" not in str(row["spans"]))
        print("parts", row["parts"], "spans", row["spans"], row["duration_s"], length_s)
        assert row["id"] == recording and [part["node"] for part in row["parts"]] == [name_of(phone), name_of(second)]
        assert row["duration_s"] == pytest.approx(length_s, abs=0.2)
        assert not [span for span in row["spans"] if span["kind"] == "gap"]
        for variant in row["variants"]:
            heard = await sounds(bob, two, recording, f"format=opus&variant={variant}")
            assert heard[0] == heard[1] and heard[0][0] == 200
            (tmp_path / "heard.opus").write_bytes(heard[0][1])
            sound = decoded(tmp_path / "heard.opus")
            for middle_s in (seam_s / 2, seam_s, (seam_s + length_s) / 2):
                assert np.abs(sound[int(middle_s * 48_000) :][:9600]).max() > 0.01, (variant, middle_s)
            if variant == "original":
                filled, again, left_out = seam(tmp_path / "heard.opus")
                print(f"{filled} packets fill gaps, {again} come again, {left_out} are left out")
                assert max(filled, again, left_out) <= MOST
