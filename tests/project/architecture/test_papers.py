"""Law 5: what the papers name is there, and no comment cites a paper that is not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.architecture.papers import Index, dotted_names, paths
from tests.project.architecture.tree import Tree, ours, sample
from tests.support.running import ROOT

PAPERS = ("docs/tour.md", "docs/architecture.md", "docs/glossary.md", "docs/style.md", "docs/websockets.md", "CONTRIBUTING.md")
OTHERS = tuple(str(file.relative_to(ROOT)) for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
ABROAD = (
    "hushcast.denoisers",
    "asyncio.",
    "time.",
    "logging.",
    "aiohttp.",
    "multiprocessing.",
    "os.",
    "socket.",
    "web.AppKey",
    "json.",
)  # others' names
GENERATED = ("var/", "models/", ".venv")  # what is there only after a start
PAPER = re.compile(r"[\w./-]+\.md\b|\b(?:spec|facts|shared)/\w+|\b(?:LAYOUT|STYLE|DESIGN|PAGE|NODES|API)(?:'s? |,? §)")
COMMENTED = (".py", ".js", ".mjs", ".css", ".html", ".cfg", ".toml")


def unresolved(index: Index, text: str) -> list[str]:
    """module.function of a paper that is not there."""
    return [name for name in dotted_names(text) if not name.startswith(ABROAD) and not index.resolves(name)]


def absent(index: Index, text: str, folder: str = "") -> list[str]:
    """Files that a paper names and that are not there, neither from the root nor from the paper's own folder."""
    named = [path for path in paths(text) if not path.startswith(GENERATED)]
    return [path for path in named if not {path.removeprefix("./"), f"{folder}/{path}"} & index.files]


def steps_without_a_place(text: str) -> list[str]:
    """Numbered steps of a walk that name no module.function."""
    return [line for line in text.splitlines() if re.match(r"\d+\. ", line) and not list(dotted_names(line))]


def cited(tree: Tree) -> Iterator[str]:
    """Comments that cite a document which the repository does not have."""
    for module in tree.modules.values():
        for line, text in module.comments():
            yield from (f"{tree.where(module, line)}: {paper}" for paper in _unknown(tree.root, text))
    for top in ("web/client", "tests", "setup.cfg", "pyproject.toml", "config.toml"):
        place = tree.root / top
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.suffix in COMMENTED and not {"dist", "node_modules", "architecture"} & set(file.parts):
                yield from (f"{file.relative_to(tree.root)}: {paper}" for paper in _unknown(tree.root, file.read_text()))


def _unknown(root: Path, text: str) -> list[str]:
    named = [found[0].strip() for found in PAPER.finditer(text)]
    return [name for name in named if not any((root / folder / name).is_file() for folder in ("", "docs", "docs/decisions"))]


@pytest.mark.parametrize("paper", PAPERS)
def test_names_resolve(paper: str) -> None:
    """Every module.function that a paper names is in the tree."""
    assert not unresolved(Index(ours()), (ROOT / paper).read_text())


@pytest.mark.parametrize("paper", sorted({*PAPERS, *OTHERS}))
def test_files_exist(paper: str) -> None:
    """Every file and folder that a paper names is there."""
    assert not absent(Index(ours()), (ROOT / paper).read_text(), str(Path(paper).parent))


def test_each_step_of_the_tour_has_a_place() -> None:
    """The four walks name each step as module.function."""
    text = (ROOT / "docs/tour.md").read_text()
    assert len(re.findall(r"^## ", text, re.MULTILINE)) >= 4
    assert not steps_without_a_place(text)


def test_no_comment_cites_a_document_from_elsewhere() -> None:
    """RFCs and published papers are for everybody; a file that only we have had is for nobody."""
    assert not list(cited(ours()))


def test_these_laws_can_fail(tmp_path: Path) -> None:
    """A function that was renamed, a file that was moved, a step without a place and a foreign document are seen."""
    tree = sample(
        tmp_path,
        {
            "sfu/net/tcp.py": '"""As LAYOUT.md says."""\n\nclass Port:\n    def open(self):\n        self.size = 1  # see docs/notes.md\n',
            "web/client/js/rtc/peer.js": "export class Peer {\n  async close() {}\n}\nexport function offer() {}\n// spec/PAGE.md\n",
        },
    )
    index = Index(tree)
    known = ["tcp.Port", "net.tcp.Port.open", "Port.open", "Port.size", "sfu.net.tcp", "broadcast.grace_s"]
    known += ["rtc/peer.Peer.close", "rtc/peer.offer"]
    assert not unresolved(index, " ".join(f"`{name}`" for name in known))
    assert unresolved(index, "`tcp.Gate` `tcp.Port.gone` `peer.offer` `rtc/peer.gone()` `broadcast.gone_s` `config.toml`") == [
        "tcp.Gate",
        "tcp.Port.gone",
        "peer.offer",
        "rtc/peer.gone()",
        "broadcast.gone_s",
    ]
    assert absent(index, "`sfu/net/tcp.py` `tcp.py` `sfu/net/` [x](sfu/gone.py) `sfu/net/gone.py`") == ["sfu/net/gone.py", "sfu/gone.py"]
    assert steps_without_a_place("1. `tcp.Port.open` opens\n2. then it is open\n") == ["2. then it is open"]
    assert list(cited(tree)) == [
        "sfu/net/tcp.py:5: docs/notes.md",
        "sfu/net/tcp.py:1: LAYOUT.md",
        "web/client/js/rtc/peer.js: spec/PAGE.md",
    ]
