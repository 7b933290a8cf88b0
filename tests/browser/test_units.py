"""The page's logic under `node --test`, its types under tsc, and the rules that a reader would check by eye."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import missing_program
from tests.support.running import ROOT
from web.routes import ROUTES

CLIENT = ROOT / "web" / "client"
HERE = Path(__file__).parent
MOST_LINES = 300


async def run(*command: str) -> tuple[int | None, str]:
    """Exit status and all that was said."""
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    return process.returncode, said.decode(errors="replace")


async def test_the_logic_of_the_page_holds() -> None:
    """Every test of the plain modules passes in node."""
    node = shutil.which("node") or missing_program("node")
    status, said = await run(node, "--test", *(str(path) for path in sorted(HERE.glob("*.test.mjs"))))
    assert status == 0, said


async def test_the_types_of_the_page_hold() -> None:
    """tsc finds nothing wrong in the modules, strictly."""
    compiler = ROOT / "var" / "npm" / "node_modules" / "typescript" / "bin" / "tsc"
    node = shutil.which("node") or missing_program("node")
    if not compiler.is_file():
        missing_program("typescript")
    status, said = await run(node, str(compiler), "-p", str(HERE / "tsconfig.json"))
    assert status == 0, said


@pytest.mark.parametrize("module", sorted((CLIENT / "js").rglob("*.js")), ids=lambda path: path.stem)
def test_a_module_is_short_and_writes_no_markup(module: Path) -> None:
    """At most 300 lines, and text reaches the page as text only."""
    text = module.read_text()
    assert text.count("\n") <= MOST_LINES
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)


@pytest.mark.parametrize(
    "module", sorted(file for file in (CLIENT / "js").rglob("*.js") if file.parent.name != "views"), ids=lambda path: path.stem
)
def test_protocols_know_no_page_and_views_no_sockets(module: Path) -> None:
    """Below main.js nothing outside views/ imports a view; no view opens a socket or a connection."""
    if module.name != "main.js":
        assert not re.search(r'from "[./]+(views/|page/dom\.js)', module.read_text())
    for view in (CLIENT / "js" / "views").glob("*.js"):
        assert not re.search(r"new (WebSocket|Socket|RTCPeerConnection|Connection|Peer)\b", view.read_text()), view.name


def test_all_that_the_page_names_is_there() -> None:
    """Each style sheet, script and picture of index.html, and each import, is a file; what it asks the interface for is a route."""
    paths = {route.path for route in ROUTES}
    for name in re.findall(r'(?:href|src)="/([^"]+)"', (CLIENT / "index.html").read_text()):
        assert (CLIENT / name).is_file() or f"/{name}" in paths, name
    for module in (CLIENT / "js").rglob("*.js"):
        for name in re.findall(r'from "([^"]+)"', module.read_text()):
            assert (module.parent / name).is_file(), (module.name, name)


def _luminance(colour: str) -> float:
    """Relative luminance of #RRGGBB (WCAG 2.2)."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_colours_can_be_told_apart() -> None:
    """In light and in dark: text at least 5:1 on both grounds, the control line 3.4:1 on the ground, text on fills 4.5:1."""
    style = (CLIENT / "style.css").read_text()
    light, dark, chosen_dark, *_ = (
        dict(re.findall(r"--([a-z0-9-]+): (#[0-9A-F]{6})", block)) for block in re.split(r"@media|\n:root\[data-theme", style)
    )
    assert dark == chosen_dark
    themes = [light, dark]
    for theme in themes:
        for role in ("ink", "ink-2", "voice", "noise", "live", "focus"):
            for ground in ("bg", "surface"):
                assert _contrast(theme[role], theme[ground]) >= 5, (role, ground, theme[role])
        assert _contrast(theme["line"], theme["bg"]) >= 3.4
        for fill in ("voice", "noise", "live"):
            assert _contrast(theme["on-fill"], theme[fill]) >= 4.5, fill
        assert _contrast(theme["ink"], theme["bg"]) >= 7
