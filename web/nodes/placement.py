"""At which node a new broadcast begins, by what the nodes say of themselves. Pure rules over the directory's records."""

import hashlib
from collections import Counter, deque
from collections.abc import Collection, Mapping
from types import MappingProxyType

from web.nodes.records import NodeRecord

FULL = 1.0  # the load of a node that takes nothing new
A_VOICE = 0.05  # of a node's load; what a voice takes on two cores until it has been measured
RECENT_S = 3.0  # a node writes its record every two seconds
MOST_RECENT = 1000


class Placements:
    """Remembers what this node has placed in the last RECENT_S: the others' records do not tell of it yet. Bounded; the oldest go."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, str]] = deque(maxlen=MOST_RECENT)

    def choose(self, nodes: Mapping[str, NodeRecord], own: NodeRecord, without: Collection[str], now_s: float) -> str | None:
        """As `least_loaded`, with what was placed lately."""
        while self._recent and self._recent[0][0] < now_s - RECENT_S:
            self._recent.popleft()
        return least_loaded(nodes, own, without, Counter(name for _, name in self._recent))

    def note(self, node: str, now_s: float) -> None:
        """Something new was placed there."""
        self._recent.append((now_s, node))


def least_loaded(
    nodes: Mapping[str, NodeRecord], own: NodeRecord, without: Collection[str] = (), recent: Mapping[str, int] = MappingProxyType({})
) -> str | None:
    """The node that a broadcast without one is placed at; None where none takes it. without: those that have just not answered;
    recent: how many were placed at each since its record was written.

    Placed at: the serving node of the same wire version with the least load; among equal ones that with the fewest broadcasts and
    listeners, then this one, which saves a question. A node that drains or is full takes none; another one without a URL cannot be asked.
    """
    takes = [each for each in nodes.values() if takes_new(each, own) and each.name not in without]
    best = min(takes, key=lambda each: _burden(each, own, recent.get(each.name, 0)), default=None)
    return None if best is None else best.name


def _burden(node: NodeRecord, own: NodeRecord, recent: int) -> tuple[float, int, int, bool, str]:
    load = round(node.load + recent * A_VOICE, 2)
    return load, node.broadcasts + recent, node.listeners, node.name != own.name, node.name


def takes_new(node: NodeRecord, own: NodeRecord) -> bool:
    """Whether something new may be placed at a node."""
    return node.state == "serving" and node.load < FULL and _speaks(node, own)


def _speaks(node: NodeRecord, own: NodeRecord) -> bool:
    """Whether it is this node, or one that can be asked and understands."""
    return node.name == own.name or (bool(node.url) and node.wire == own.wire)


def home_of(username: str, nodes: Mapping[str, NodeRecord], own: NodeRecord) -> str:
    """The node of what is a user's own and short, found by every node alike without asking: by rendezvous hashing (Thaler 1998)."""
    serving = [name for name, each in nodes.items() if each.state == "serving" and _speaks(each, own)] or [own.name]
    return max(serving, key=lambda name: hashlib.sha256(f"{name}\n{username}".encode()).digest())
