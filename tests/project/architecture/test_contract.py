"""Law 2: the server knows the contract of workers and nothing that denoises; the parts of a broadcast do not know each other."""

from collections.abc import Collection, Mapping
from pathlib import Path

from tests.project.architecture.rooms import CONTRACT, PARTS
from tests.project.architecture.tree import Tree, ours, sample


def beyond(tree: Tree, contract: Mapping[str, Collection[str]]) -> list[str]:
    """Imports of workers by the tops of `contract` that it does not list."""
    return [
        f"{tree.where(module)}: {name}"
        for module in tree.modules.values()
        for top in [module.name.split(".")[0]]
        if top in contract
        for name in sorted(tree.imports[module.name])
        if name.split(".")[0] == "workers" and tree.modules[name].room not in contract[top]
    ]


def acquainted(tree: Tree, parts: Collection[str]) -> list[str]:
    """Imports of one of the parts by another."""
    return [
        f"{tree.where(module)}: {name}"
        for module in tree.modules.values()
        if module.room in parts
        for name in sorted(tree.imports[module.name])
        if tree.modules[name].room in parts and tree.modules[name].room != module.room
    ]


def test_the_server_knows_only_the_contract_of_workers() -> None:
    """sfu and web import of workers the listed rooms, each of which is there."""
    assert not [room for rooms in CONTRACT.values() for room in rooms if room not in ours().rooms]
    assert not beyond(ours(), CONTRACT)


def test_the_parts_of_a_broadcast_do_not_know_each_other() -> None:
    """Ingest, denoise, fan-out and recording meet in sfu.broadcast only."""
    assert not acquainted(ours(), PARTS)


def test_these_laws_can_fail(tmp_path: Path) -> None:
    """A local import of a pipeline, and of one part by another, is seen."""
    tree = sample(
        tmp_path,
        {
            "workers/voice/pipeline.py": "",
            "workers/link/ring.py": "",
            "sfu/ingest/ingest.py": "from workers.link import ring\n\n\ndef f():\n    from workers.voice import pipeline\n",
            "sfu/fanout/fanout.py": "from sfu.ingest.ingest import f\n",
        },
    )
    assert beyond(tree, {"sfu": {"workers.link"}}) == ["sfu/ingest/ingest.py: workers.voice.pipeline"]
    assert acquainted(tree, PARTS) == ["sfu/fanout/fanout.py: sfu.ingest.ingest"]
