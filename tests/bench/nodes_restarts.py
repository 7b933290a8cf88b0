"""Part of bench nodes: both servers are restarted, one after the other, while somebody talks; and how long the recording is afterwards."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.bench import meters
from tests.bench.nodes_house import House
from tests.support.pair import speaking
from tests.support.people import Person
from tests.support.softphone import Softphone

CALM_PACKETS = 100
PACKET_MS = 20.0
BUFFER_MS = 60.0  # of sound that a listener has in hand, as the pages do; what comes later is concealed
JOINED_S = 120.0


@dataclass
class Restarted:
    """What came of rolling restarts, one each."""

    concealed_ms: list[float] = field(default_factory=list)  # at a listener, over both restarts
    length_off_s: list[float] = field(default_factory=list)  # the recording's length against the broadcast's


class Length:
    """How long a broadcast should be by this process' clock, as it began for the server that has it."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s

    @classmethod
    async def of(cls, person: Person, broadcaster: str) -> "Length":
        asked_s = time.monotonic()
        said = (await person.status(broadcaster))["duration_s"]
        return cls((asked_s + time.monotonic()) / 2 - said)

    async def off_s(self, person: Person) -> float:
        """Stop; by how much the recording, once it is joined, is shorter or longer. Raises AssertionError where there are several."""
        wanted_s = time.monotonic() - self._began_s
        found = (await person.call("POST", "/api/stream/stop"))["recording"]
        async with asyncio.timeout(JOINED_S):
            while not _is_whole(row := await _row(person, found)):
                await asyncio.sleep(0.1)
        return abs(float(row["duration_s"]) - wanted_s)


async def _row(person: Person, recording: int) -> dict[str, Any]:
    return next(row for row in await person.call("GET", "/api/recordings") if row["id"] == recording)


def _is_whole(row: dict[str, Any]) -> bool:
    return row["state"] == "ready" and all(part["to_s"] is not None for part in row["parts"]) and "node_away" not in str(row["spans"])


def concealed_ms(ears: list[Softphone]) -> float:
    """What did not come in time, by any of the connections of one listener."""
    arrivals = sorted(at_ns for ear in ears for at_ns, _ in ear.received)
    return sum(max(0.0, (after - before) / 1e6 - PACKET_MS - BUFFER_MS) for before, after in pairwise(arrivals))


async def rolling(house: House, times: int) -> Restarted:
    """alice and bob do as their pages: each is at the next server before it leaves the one before."""
    pair, found = house.pair, Restarted()
    for _ in range(times):
        async with AsyncExitStack() as opened:
            mouth = await opened.enter_async_context(speaking(pair.alice, "?denoise=0&record=1"))
            length = await Length.of(pair.alice, "alice")
            ears = [await _listening(opened, pair.bob)]
            for _ in pair.urls:
                mouth = await _moved(house, opened, mouth, ears)
            here = pair.at(pair.alice, pair.with_broadcast(mouth.location))
            found.length_off_s.append(await length.off_s(here))
            found.concealed_ms.append(concealed_ms(ears))
    return found


async def _listening(opened: AsyncExitStack, person: Person) -> Softphone:
    ear = await opened.enter_async_context(person.phone())
    await ear.listen("alice")
    await ear.heard(CALM_PACKETS)
    return ear


async def _moved(house: House, opened: AsyncExitStack, mouth: Softphone, ears: list[Softphone]) -> Softphone:
    """The server with the broadcast ends and is started again; the connection by which alice speaks now."""
    pair = house.pair
    old = pair.with_broadcast(mouth.location)
    new = pair.other(old)
    ending = asyncio.create_task(asyncio.to_thread(old.stop))
    await pair.at(pair.alice, new).until("alice", leaving=True)
    mouth = await opened.enter_async_context(speaking(pair.at(pair.alice, new)))
    await pair.at(pair.bob, new).until("alice", node=pair.name(new), leaving=False)
    ears.append(await _listening(opened, pair.at(pair.bob, new)))
    await ears[-2].delete()
    await ending
    with meters.pinned(house.cores.server):
        await old.start()
    await pair.know_each_other()
    return mouth
