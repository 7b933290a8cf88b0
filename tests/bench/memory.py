"""What processes hold as if nobody else ran: PSS where a stranger's share of a library counts for nothing.

PSS divides a page by all who map it. Beside another Python of the same environment a server therefore seems smaller than it is where
it runs alone. With the right to see where pages lie (root's) each is divided by the server's own processes only; else it is PSS.
"""

import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.bench.meters import MB, pss_mb

PAGE = 4096
_PRESENT, _PLACE = 1 << 63, (1 << 55) - 1  # of an entry of /proc/PID/pagemap
_NOBODYS = ("[vsyscall]", "[vvar]", "[vdso]")  # the kernel's own


def alone_mb(processes: Mapping[str, int]) -> dict[str, float]:
    """10^6 bytes of each, by its name; what several of them share is divided among these."""
    places = {name: _places(pid) for name, pid in processes.items()}
    if not all(places.values()):
        return {name: pss_mb([pid]) for name, pid in processes.items()}
    shared = Counter(place for each in places.values() for place in each)
    return {name: sum(PAGE / shared[place] for place in each) / MB for name, each in places.items()}


def _places(pid: int) -> set[int]:
    """The page frames in which a process has something; none where that is not told."""
    found: set[int] = set()
    with Path(f"/proc/{pid}/pagemap").open("rb") as pagemap:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            words = line.split()
            if words[-1] in _NOBODYS:
                continue
            start, end = (int(each, 16) for each in words[0].split("-"))
            pagemap.seek(start // PAGE * 8)
            entries = struct.iter_unpack("=Q", pagemap.read((end - start) // PAGE * 8))
            found |= {entry & _PLACE for (entry,) in entries if entry & _PRESENT}
    return found - {0}
