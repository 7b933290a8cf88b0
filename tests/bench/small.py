"""What a small server costs: memory (PSS) and processor of all its processes, idle and with one denoised voice and ten listeners.

`bench presence --memory`, or python -m tests.bench.small MODELS AUDIO
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypedDict

import psutil

from tests.bench import meters, places
from tests.bench.memory import alone_mb
from tests.bench.report import Column, Report, Row, number
from tests.bench.servers import started, until_available
from tests.support.people import friends
from tests.support.running import ROOT, Server
from tests.support.sound import encode, read_wav

LISTENERS = 10
WATCHED_S = 8.0
SETTLING_S = 3.0


class Cost(TypedDict):
    """Of one state of the server, all its processes together; pss_mb (10^6 bytes) besides by process: server, forkserver, worker.

    Counted as if no stranger shared its libraries, where that can be seen (`memory.py`).
    """

    pss_mb: dict[str, float]
    cpu_pct: dict[str, float]
    total_mb: float
    total_pct: float


async def report(models: Path, audio: Path) -> Report:
    """A row a process and state, and one of all together."""
    rows: list[Row] = []
    for state, cost in (await measure(models, audio)).items():
        rows += [{"what": state, "process": name, "pss_mb": mb, "cpu_pct": cost["cpu_pct"][name]} for name, mb in cost["pss_mb"].items()]
        rows.append({"what": state, "process": "all", "pss_mb": cost["total_mb"], "cpu_pct": cost["total_pct"]})
    columns = [
        Column("what", lambda row: row["what"].replace("_", " ")),
        Column("process", lambda row: row["process"]),
        Column("PSS", lambda row: number(row["pss_mb"], 1, " MB")),
        Column("of a core", lambda row: number(row["cpu_pct"], 2, " %")),
    ]
    return Report("What a small server costs", rows, columns, notes=["PSS in 10^6 bytes; as root as if no stranger shared its libraries."])


async def measure(models: Path, audio: Path, watched_s: float = WATCHED_S) -> dict[str, Cost]:
    """`idle` and `one_voice_ten_listeners`. Takes about half a minute; the model is exported first where it was not."""
    with tempfile.TemporaryDirectory() as folder:
        server = await started(Path(folder), models)
        try:
            return await _measured(server, audio, watched_s)
        finally:
            server.stop()


async def _measured(server: Server, audio: Path, watched_s: float) -> dict[str, Cost]:
    noisy = encode(read_wav(places.noisy(audio)))
    async with AsyncExitStack() as opened:
        ada, ben = await opened.enter_async_context(friends(server.url, "ada", "ben"))
        await until_available(ada)
        await asyncio.sleep(SETTLING_S)
        idle = await _cost(server.pid, watched_s)
        mic = await opened.enter_async_context(ada.phone())
        await mic.publish("ada")
        mic.send(0, 0, noisy[0])
        await ada.until("ada", live=True, denoise_state="active")
        for _ in range(LISTENERS):
            ear = await opened.enter_async_context(ben.phone())
            ear.on_packet = lambda *_: None
            await ear.listen("ada")
        talking = asyncio.create_task(mic.talk(noisy[1:] * 3, first=1))
        await asyncio.sleep(SETTLING_S)
        busy = await _cost(server.pid, watched_s)
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    return {"idle": idle, "one_voice_ten_listeners": busy}


async def _cost(pid: int, watched_s: float) -> Cost:
    processes = _named(pid)
    before, began = {name: meters.cpu_ns([each]) for name, each in processes.items()}, time.monotonic_ns()
    await asyncio.sleep(watched_s)
    passed_ns = time.monotonic_ns() - began
    cpu = {name: 100 * (meters.cpu_ns([each]) - before[name]) / passed_ns for name, each in processes.items()}
    pss = alone_mb(processes)
    total_mb, total_pct = round(sum(pss.values()), 1), round(sum(cpu.values()), 2)
    return Cost(pss_mb=_rounded(pss, 1), cpu_pct=_rounded(cpu, 2), total_mb=total_mb, total_pct=total_pct)


def _rounded(figures: dict[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in figures.items()}


def _named(pid: int) -> dict[str, int]:
    """The server's processes by what they are."""
    found = {"server": pid}
    for child in psutil.Process(pid).children():
        name = "forkserver" if "workers.forkserver.main" in child.cmdline() else " ".join(child.cmdline()[1:4])
        found[name] = child.pid
        for at, worker in enumerate(child.children()):
            found[f"worker {at}"] = worker.pid
    return found


if __name__ == "__main__":
    os.chdir(ROOT)
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1]), Path(sys.argv[2]))), indent=2))
