"""bench presence: how soon a friend knows, how soon she hears, and whether the rest of the server notices a hundred listeners."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np

from tests.bench import many_friends, matching, meters
from tests.bench.load import Load
from tests.bench.report import Chart, Column, Report, Row, Series, number, times
from tests.bench.servers import bearer, started, until_available
from tests.bench.voice import PACKET_S, Voice
from tests.support.people import Person, befriend, signed_up
from tests.support.running import Server
from tests.support.softphone import Softphone

SPEAKER, FRIEND = "speaker", "friend"
ASK_EVERY_S = 0.01
EVENT_S = 10.0
OF_FRIENDS_MS = 100  # what many friends are told or ask for, p99
TARGETS_MS = {"start_to_sound": 500, "click_to_sound": 300, "media_to_event": 100, "healthz_p99": 50}
WHAT = {
    "start_to_sound": "Start pressed → first sound at a waiting listener",
    "click_to_sound": "listener's click → first sound",
    "media_to_event": "first packet sent → event at a friend's WebSocket",
    "healthz_p50": "GET /healthz under listeners, p50",
    "healthz_p99": "GET /healthz under listeners, p99",
    "healthz_idle_p99": "GET /healthz of the idle server, p99",
    "live_at_friends_p99": "first packet sent → friends' presence sockets, p99",
    "live_at_streams_p99": "first packet sent → live in the status at their stream sockets, p99",
    "muted_p99": "mute asked for → muted in the status there, p99",
    "unmuted_p99": "the end of it, p99",
    "unrecorded_p99": "recording ended → in the status there, p99",
    "friends_asked_p99": "GET /api/friends meanwhile, all of them, p99",
    "statuses_asked_p99": "GET /api/statuses meanwhile, a hundred, p99",
}


@dataclass
class Options:
    rounds: int = 7
    listeners: int = 100
    friends: int = 500
    seconds: float = 20.0
    denoise: bool = True
    models: Path | None = None


async def report(options: Options) -> Report:
    with tempfile.TemporaryDirectory(prefix="hushcast-bench-") as folder:
        cores = meters.Cores()
        with meters.pinned(cores.server):
            server = await started(Path(folder) / "server", options.models)
        try:
            with meters.pinned(cores.clients):
                async with AsyncExitStack() as opened:
                    speaker = await opened.enter_async_context(signed_up(server.url, SPEAKER))
                    friend = await opened.enter_async_context(signed_up(server.url, FRIEND))
                    await befriend(speaker, friend)
                    if options.denoise:
                        await until_available(speaker)
                    rows = await _starts(speaker, friend, options)
                    rows += await _under_load(speaker, options)
                    rows += await _among_many(speaker, server, options)
        finally:
            server.stop()
    return Report(
        "From Start to the ear",
        rows,
        [
            Column("what", lambda row: WHAT.get(row["what"], row["what"])),
            Column("median", lambda row: number(row["value"], 1, f" {row['unit']}")),
            Column("worst", lambda row: number(row["worst"], 1, f" {row['unit']}")),
            Column("of target", lambda row: times(row["value"], row["target"])),
        ],
        [
            Chart(
                "How long until... (shorter is better)",
                "",
                "ms, median",
                [Series("ms", [(row["what"].replace("_", " "), row["value"]) for row in rows if row["unit"] == "ms"])],
            )
        ],
        [
            f"{options.rounds} rounds; healthz asked every {1000 * ASK_EVERY_S:.0f} ms for {options.seconds:g} s. "
            f"Friends: {options.friends}.",
        ],
    )


def _row(what: str, values: list[float], unit: str = "ms") -> Row:
    target = TARGETS_MS.get(what)
    return {"what": what, "value": round(statistics.median(values), 2), "worst": round(max(values), 2), "target": target, "unit": unit}


# from Start to sound


async def _starts(speaker: Person, friend: Person, options: Options) -> list[Row]:
    measured: dict[str, list[float]] = {"start_to_sound": [], "click_to_sound": [], "media_to_event": []}
    async with _presence(friend) as events:
        for round_ in range(options.rounds + 1):
            while not events.empty():  # news of the broadcast before
                events.get_nowait()
            found = await _start(speaker, friend, events, options.denoise)
            if round_:  # the first one also warms up what the server makes but once
                for name, value in found.items():
                    measured[name].append(value)
    return [_row(name, values) for name, values in measured.items()]


async def _start(speaker: Person, friend: Person, events: "asyncio.Queue[float]", denoise: bool) -> dict[str, float]:
    """One broadcast, from its Start to its Stop."""
    async with speaker.phone() as mouth, friend.phone() as waiting, friend.phone() as late:
        start = time.monotonic()
        await mouth.publish(SPEAKER, f"?denoise={int(denoise)}&record=0")
        first_packet = time.monotonic()
        talking = asyncio.create_task(Voice(mouth).talk(100_000))
        try:
            event = await asyncio.wait_for(events.get(), EVENT_S)
            await waiting.listen(SPEAKER)
            sound = await _first_sound(waiting)
            await asyncio.sleep(0.2)
            click = time.monotonic()
            await late.listen(SPEAKER)
            clicked = await _first_sound(late)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        await speaker.call("POST", "/api/stream/stop", {})
    return {
        "start_to_sound": 1000 * (sound - start),
        "click_to_sound": 1000 * (clicked - click),
        "media_to_event": 1000 * (event - first_packet),
    }


async def _first_sound(phone: Softphone) -> float:
    await phone.heard(1)
    return phone.received[0][0] / 1e9


@asynccontextmanager
async def _presence(person: Person) -> AsyncIterator["asyncio.Queue[float]"]:
    """The moments (time.monotonic) at which this person is told that somebody went on air."""
    events: asyncio.Queue[float] = asyncio.Queue()
    async with person.http.ws_connect(person.url + "/ws/presence", headers={"Origin": person.url}) as socket:
        assert (await socket.receive_json())["type"] == "all_statuses"

        async def listen() -> None:
            async for message in socket:
                said = message.json()
                if said["type"] == "streaming_status_update" and said["data"]["is_streaming"]:
                    events.put_nowait(time.monotonic())

        listening = asyncio.create_task(listen())
        try:
            yield events
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


# the rest of the server under load


async def _under_load(speaker: Person, options: Options) -> list[Row]:
    headers = await bearer(speaker)
    idle = await _healthz(speaker, min(options.seconds, 3.0))
    load = await Load.start()
    try:
        async with speaker.phone() as mouth:
            await mouth.publish(SPEAKER, "?denoise=0&record=0")
            voice = Voice(mouth)
            await voice.talk(25)
            await speaker.until(SPEAKER, live=True)
            route = {"kind": "whep", "url": speaker.url, "headers": headers, "host": "127.0.0.1", "name": SPEAKER, "red": False}
            await load.ask(do="join", server="all", count=options.listeners, route={**route, "query": "?variant=original"})
            await voice.talk(25)
            await load.ask(do="begin")
            sent, took = await asyncio.gather(voice.talk(round(options.seconds / PACKET_S)), _healthz(speaker, options.seconds))
            await asyncio.sleep(0.3)
            with tempfile.TemporaryDirectory() as folder:
                await load.ask(do="end", folder=folder)
                came = matching.latencies(matching.load([Path(folder) / "all.npz"]), sent)
            await speaker.call("POST", "/api/stream/stop", {})
    finally:
        await load.close()
    delivered = 100 * float(np.mean(~np.isnan(came)))
    return [
        _row("healthz_p50", [float(np.percentile(took, 50))]),
        _row("healthz_p99", [float(np.percentile(took, 99))]),
        _row("healthz_idle_p99", [float(np.percentile(idle, 99))]),
        _row(f"packets delivered to {options.listeners} listeners meanwhile", [delivered], "%"),
    ]


async def _healthz(person: Person, seconds: float) -> list[float]:
    """What each GET took, ms; one every ASK_EVERY_S, over one connection."""
    took = []
    async with aiohttp.ClientSession() as http:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            async with http.get(person.url + "/healthz") as response:
                assert response.status == 200
                await response.read()
            took.append(1000 * (time.perf_counter() - start))
            await asyncio.sleep(ASK_EVERY_S)
    return took


# many friends


async def _among_many(speaker: Person, server: Server, options: Options) -> list[Row]:
    found, busy = await many_friends.measure(speaker, server, options.friends, options.rounds)
    rows = [{**_row(f"{name}_p99", [value]), "target": OF_FRIENDS_MS} for name, value in found.items()]
    return rows + [_row(f"of a core, {who}, with {options.friends} friends", [value], "%") for who, value in busy.items()]
