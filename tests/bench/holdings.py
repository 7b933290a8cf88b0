"""What a running server holds on to: memory of each of its processes, descriptors, threads, tasks, listeners."""

from collections.abc import Iterable

import psutil

from tests.bench import meters
from tests.bench.meters import KB, MB
from tests.support.people import Person


async def holdings(person: Person, pid: int) -> dict[str, float]:
    """Figures by name; memory in 10^6 bytes, `pss` of anonymous memory alone: the files' share changes with who else runs."""
    async with person.http.get(f"{person.url}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
    told = {name: float(lines[f"hushcast_{name}"]) for name in ("tasks", "listeners", "resources")}
    server = psutil.Process(pid)
    children = server.children()
    workers = [worker for child in children for worker in child.children(recursive=True)]
    every = [server, *children, *workers]
    return told | {
        "server_rss": server.memory_info().rss / MB,
        "server_pss": _pss([server]),
        "forkserver_pss": _pss(children),
        "worker_pss": _pss(workers),
        "descriptors": _sum(process.num_fds() for process in every),
        "threads": _sum(process.num_threads() for process in every),
        "processes": len(every),
    }


def _pss(processes: Iterable[psutil.Process]) -> float:
    return meters.memory_kb(process.pid for process in processes) * KB / MB


def _sum(counts: Iterable[int]) -> float:
    return float(sum(counts))
