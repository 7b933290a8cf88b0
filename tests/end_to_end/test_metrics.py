"""What goes wrong in a broadcast shows in /metrics: a killed worker, a bypass, loss, a wrong password."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable, Mapping

import psutil

from tests.conftest import StartServer
from tests.end_to_end.test_loss import on_air, talk, voice
from tests.support.people import Person
from tests.support.running import Server

PATIENT = {"denoise.default": "passthrough", "broadcast.grace_s": 60}
LINE = re.compile(r"^(\w+(?:\{.*\})?) (\S+)$", re.MULTILINE)


async def figures(person: Person) -> Mapping[str, float]:
    async with person.http.get(f"{person.url}/metrics") as answer:
        return {name: float(value) for name, value in LINE.findall(await answer.text())}


async def until(person: Person, wanted: Callable[[Mapping[str, float]], bool]) -> Mapping[str, float]:
    """Scrape until this holds."""
    async with asyncio.timeout(30):
        while not wanted(found := await figures(person)):
            await asyncio.sleep(0.05)
    return found


async def the_worker(house: Server) -> int:
    """The process id of the one worker that lives; one that was killed may not be buried yet."""
    async with asyncio.timeout(30):
        while True:
            found = [each for child in psutil.Process(house.pid).children() for each in child.children()]
            with contextlib.suppress(psutil.NoSuchProcess):
                living = [each.pid for each in found if each.status() != psutil.STATUS_ZOMBIE]
                if len(living) == 1:
                    return living[0]
            await asyncio.sleep(0.02)


async def test_each_trouble_is_in_its_metric(server: StartServer) -> None:
    """During one broadcast: packets that never come, a killed worker that is started again, and one that is given up."""
    house = await server(PATIENT)
    state, runs = 'hushcast_voices{{denoiser="passthrough",state="{}"}}', 'hushcast_worker_runs_total{{event="{}"}}'
    outcome, bypassed = 'hushcast_ingest_packets_total{{outcome="{}"}}', 'hushcast_bypasses_total{reason="worker_failed"}'
    async with on_air(house, "auto", denoise=True) as (ada, mic, _):
        lost = {7, 8, 30}
        await talk(mic, ((n, voice(n)) for n in range(1, 61) if n not in lost))
        at_first = await until(ada, lambda found: found[outcome.format("lost")] == len(lost))
        assert at_first[outcome.format("received")] == 61 - len(lost)
        assert at_first[state.format("active")] == 1 and at_first[state.format("bypassed")] == 0
        assert at_first['hushcast_broadcasts{state="live"}'] == at_first["hushcast_broadcasts_recorded"] == 1
        assert at_first["hushcast_listeners"] == 1 and at_first['hushcast_recordings{state="live"}'] == 1
        assert at_first[runs.format("started")] == 1 and at_first[runs.format("failed")] == at_first[bypassed] == 0
        for stage in ("hushcast_ingest_seconds_count", "hushcast_fanout_seconds_count"):
            assert at_first[stage] > 0
        await until(ada, lambda found: found['hushcast_worker_seconds_count{denoiser="passthrough"}'] > 0)
        for kill in (1, 2, 3):
            os.kill(await the_worker(house), signal.SIGKILL)
            await until(ada, lambda found, kills=kill: found[runs.format("failed")] == kills)  # type: ignore[misc]
            if kill < 3:
                found = await until(ada, lambda found: found[state.format("active")] == 1)
                assert found[runs.format("restarted")] == kill and found[runs.format("started")] == kill + 1 and found[bypassed] == 0
        given_up = await until(ada, lambda found: found[bypassed] == 1)
        assert given_up[state.format("bypassed")] == 1 and given_up[state.format("active")] == 0
        await ada.call("POST", "/api/stream/stop")
        after = await until(ada, lambda found: found['hushcast_broadcasts{state="live"}'] == 0)
        assert after[state.format("bypassed")] == 0, "a gauge"
        assert after[bypassed] == 1 and after[outcome.format("lost")] == len(lost), "counters stay when the broadcast has ended"


async def test_a_wrong_password_is_counted_and_a_certificate_has_its_end(server: StartServer) -> None:
    """hushcast_login_failures_total, and the end of the self-signed certificate, in two years or so."""
    import ssl
    import time

    import aiohttp

    house = await server({"http.tls": "self-signed"})
    trusting = ssl.create_default_context(cafile=house.storage / "keys" / "self-signed.pem")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as client:
        stranger = Person("", house.url, client)
        await stranger.call("POST", "/api/login", {"username": "nobody", "password": "wrong password"}, status=401)
        found = await figures(stranger)
    assert found["hushcast_login_failures_total"] == 1
    assert 700 < (found["hushcast_certificate_expires_timestamp_seconds"] - time.time()) / 86400 < 825
    assert found["hushcast_ready"] == 1 and 0 < found["hushcast_disk_free_bytes"] < found["hushcast_disk_size_bytes"]
    assert found['hushcast_log_warnings_total{level="warning"}'] >= 1
