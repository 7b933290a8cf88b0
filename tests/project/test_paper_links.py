"""Links between the papers lead to a file, and to a heading where they name one; the README leads to each paper."""

import re
from pathlib import Path

from tests.support.running import ROOT

LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PAPERS = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub makes them: lower case, without signs, with - for spaces."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def broken(paper: Path, text: str) -> list[str]:
    """The links in this text that lead nowhere from where the paper is."""
    wrong = []
    for path, anchor in LINK.findall(text):
        if "://" in path:
            continue
        target = (paper.parent / path).resolve() if path else paper
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            wrong.append(f"{paper.name}: {path}#{anchor}" if anchor else f"{paper.name}: {path}")
    return wrong


def test_links_lead_somewhere() -> None:
    assert not [each for paper in PAPERS for each in broken(paper, paper.read_text())]


def test_a_broken_link_is_found() -> None:
    """A file that is not there, a heading that is not there; what is there passes."""
    paper = ROOT / "docs/using.md"
    text = "[a](nowhere.png) [b](operating.md#no-such-heading) [c](operating.md#https) [d](https://example.org/x)"
    assert broken(paper, text) == ["using.md: nowhere.png", "using.md: operating.md#no-such-heading"]


def test_the_readme_leads_to_each_paper() -> None:
    """Each paper in docs is a link of the README; the decisions by their folder."""
    linked = {path for path, _ in LINK.findall((ROOT / "README.md").read_text())}
    assert {f"docs/{paper.name}" for paper in (ROOT / "docs").glob("*.md")} | {"docs/decisions"} <= linked
