"""Law 1: a table of rooms says who may import whom; neither rooms nor modules form a cycle; the pure parts stay pure."""

from collections.abc import Collection, Mapping
from pathlib import Path

from tests.project.architecture.rooms import IMPURE, PURE, PURE_ALL_THE_SAME, ROOMS, STRANGERS
from tests.project.architecture.tree import Tree, cycles, imported, ours, sample


def unlisted(tree: Tree, rooms: Mapping[str, str]) -> list[str]:
    """Rooms that the table lacks, names in it that are no rooms, and imports that it does not allow."""
    wrong = [f"{room}: is not in the table" for room in sorted(tree.rooms - set(rooms))]
    wrong += [f"{room}: is in the table and nowhere else" for room in sorted(set(rooms) - tree.rooms)]
    for module in tree.modules.values():
        for name in sorted(tree.imports[module.name]):
            room = tree.modules[name].room
            if room not in (module.room, *rooms.get(module.room, "").split()):
                wrong.append(f"{tree.where(module)}: {module.room} may not import {room} ({name})")
    return wrong


def unused_allowances(tree: Tree, rooms: Mapping[str, str]) -> list[str]:
    """Pairs of the table, "room: other", that no import needs."""
    used = {(module.room, tree.modules[name].room) for module in tree.modules.values() for name in tree.imports[module.name]}
    return [f"{room}: {other}" for room, may in rooms.items() for other in may.split() if (room, other) not in used]


def table_cycles(rooms: Mapping[str, str]) -> list[list[str]]:
    return cycles({room: frozenset(may.split()) for room, may in rooms.items()})


def impure(tree: Tree, pure: Collection[str], forbidden: Collection[str]) -> list[str]:
    """Modules, or those of rooms, in `pure` that import one of the forbidden."""
    wrong = []
    for module in tree.modules.values():
        if module.name in pure or module.room in pure:
            names = [name for name in sorted(imported(module)) if name.split(".")[0] in forbidden]
            wrong += [f"{tree.where(module)}: {name}" for name in names if (module.name, name) not in PURE_ALL_THE_SAME]
    return wrong


def strangers(tree: Tree, forbidden: Mapping[str, Collection[str]]) -> list[str]:
    """Imports of libraries that belong to another top-level folder."""
    return [
        f"{tree.where(module)}: {name}"
        for module in tree.modules.values()
        for name in sorted(imported(module))
        if name.split(".")[0] in forbidden.get(module.name.split(".")[0], ())
    ]


def test_the_table_has_no_cycle() -> None:
    """Who may import whom is an order."""
    assert not table_cycles(ROOMS)


def test_rooms_import_what_the_table_allows() -> None:
    """Every import between rooms, type-only and local ones too, stands in the table."""
    assert not unlisted(ours(), ROOMS)


def test_the_table_allows_what_rooms_import() -> None:
    """Every pair of the table is an import that is there."""
    assert not unused_allowances(ours(), ROOMS)


def test_no_module_cycle() -> None:
    """No module reaches itself, type-only and local imports counted."""
    assert not cycles(ours().imports)


def test_text_packets_and_rules_are_pure() -> None:
    """What reads, writes or decides has no loop, no socket, no clock and no log; each name of the list is there."""
    tree = ours()
    assert not [name for name in PURE if name not in tree.modules]
    assert not impure(tree, PURE, IMPURE)


def test_libraries_have_their_rooms() -> None:
    """aiohttp is web's, peewee db's, aiortc sfu's, torch and ONNX Runtime the workers'."""
    assert not strangers(ours(), STRANGERS)


def test_these_laws_can_fail(tmp_path: Path) -> None:
    """Local and type-only imports, a room outside the table, an allowance that nothing uses, a clock in a pure file and a stranger's
    library are all seen."""
    tree = sample(
        tmp_path,
        {
            "sfu/wire/rtp.py": "import time\nimport aiohttp\n",
            "sfu/net/tcp.py": "def later():\n    from sfu.wire import rtp\n",
            "sfu/net/udp.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sfu.net.tcp import later\n",
            "sfu/cellar/wine.py": "",
        },
    )
    wrong = unlisted(tree, {"sfu": "", "sfu.wire": "", "sfu.net": "", "sfu.gone": ""})
    assert [line.split(":")[0] for line in wrong] == ["sfu.cellar", "sfu.gone", "sfu/net/tcp.py"]
    assert unused_allowances(tree, {"sfu.net": "sfu.wire sfu.cellar"}) == ["sfu.net: sfu.cellar"]
    assert impure(tree, ["sfu.wire"], IMPURE) == ["sfu/wire/rtp.py: time"]
    assert strangers(tree, STRANGERS) == ["sfu/wire/rtp.py: aiohttp"]
    assert table_cycles({"a": "b", "b": "c", "c": "a", "d": "a"}) == [["a", "b", "c"]]
    (tmp_path / "sfu/wire/rtp.py").write_text("import sfu.net.udp\n")
    assert cycles(Tree(tmp_path).imports) == [["sfu.net.tcp", "sfu.net.udp", "sfu.wire.rtp"]]
