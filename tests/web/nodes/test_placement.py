"""At which node a broadcast begins."""

import msgspec
import pytest

from web.nodes.placement import Placements, home_of, least_loaded
from web.nodes.records import WIRE, NodeRecord

URL = "http://127.0.0.1:1"
OWN = NodeRecord(name="a", load=0.3, broadcasts=3)
OTHER = NodeRecord(name="b", url=URL, load=0.2, broadcasts=9)


def nodes(*records: NodeRecord) -> dict[str, NodeRecord]:
    return {record.name: record for record in records}


def test_the_least_loaded_serves() -> None:
    """Load counts before everything; what has just not answered is left out."""
    assert least_loaded(nodes(OWN, OTHER), OWN) == "b"
    assert least_loaded(nodes(OWN, OTHER), OWN, ["b"]) == "a"


@pytest.mark.parametrize("change", [{"state": "draining"}, {"load": 1.0}, {"wire": WIRE + 1}, {"url": ""}])
def test_who_takes_none(change: dict[str, object]) -> None:
    """A node that drains, is full, speaks another version or cannot be asked gets nothing; where all are so there is no node."""
    unfit = msgspec.structs.replace(OTHER, **change)
    assert least_loaded(nodes(OWN, unfit), OWN) == "a"
    draining = msgspec.structs.replace(OWN, state="draining")
    assert least_loaded(nodes(draining, unfit), draining) is None


def test_equal_ones() -> None:
    """Of equally loaded nodes that with fewer broadcasts is taken, then that with fewer listeners, then the one that is asked."""
    alike = msgspec.structs.replace(OTHER, load=0.302, broadcasts=3)
    assert least_loaded(nodes(OWN, alike), OWN) == "a"
    assert least_loaded(nodes(OWN, msgspec.structs.replace(alike, broadcasts=2)), OWN) == "b"
    busy = msgspec.structs.replace(OWN, listeners=1)
    assert least_loaded(nodes(busy, alike), busy) == "b"


def test_what_was_placed_lately_counts() -> None:
    """A storm of broadcasters within one renewal is spread, though no record tells of it yet; later the records count alone."""
    alike, placements, counted = msgspec.structs.replace(OTHER, load=0.3, broadcasts=3), Placements(), {"a": 0, "b": 0}
    for _ in range(100):
        node = placements.choose(nodes(OWN, alike), OWN, (), 5.0)
        assert node is not None
        placements.note(node, 5.0)
        counted[node] += 1
    assert counted == {"a": 50, "b": 50}
    assert placements.choose(nodes(OWN, OTHER), OWN, (), 8.1) == "b"


def test_all_nodes_find_the_same_home() -> None:
    """Every node finds the same node for a user, whichever is asked, and a node that comes takes only a part of the users."""
    here, there = nodes(msgspec.structs.replace(OWN, url=URL), OTHER), msgspec.structs.replace(OTHER, name="c")
    homes = {name: home_of(name, here, OWN) for name in map(str, range(200))}
    assert homes == {name: home_of(name, here, OTHER) for name in homes} and set(homes.values()) == {"a", "b"}
    moved = [name for name, home in homes.items() if home_of(name, here | {"c": there}, OWN) != home]
    assert 30 < len(moved) < 110 and all(home_of(name, here | {"c": there}, OWN) == "c" for name in moved)
