"""examples/client.js is right by types that are made of the interface's documents, and by nothing else."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartServer, missing_program
from tests.examples.changes import CHANGES, changed
from tests.examples.document_types import MAKER, write_route_types, write_socket_types, write_types
from tests.support.running import ROOT
from tests.web.interface import interface, sockets
from web.install.tools import NODE_MODULES

COMPILER = NODE_MODULES / "typescript" / "bin" / "tsc"
SETTINGS = {
    "extends": str(ROOT / "tests/browser/tsconfig.json"),
    "compilerOptions": {"moduleDetection": "force", "noUncheckedIndexedAccess": False},  # a page's script of the type `module`
    "include": ["**/*"],
}
EXAMPLE = (ROOT / "examples/client.js").read_text()
MISTAKES = (
    ('post("/api/companions"', 'post("/api/companion"'),
    ('"/api/login", "application/json"', '"/api/login", "application/sdp"'),
    ("{ username, password });", "{ user: username, password });"),
    ("{ username, password });", "{ username });"),
    ('{ kind: "practice" }', '{ kind: "theory" }'),
    ("const { id } =", "const { key: id } ="),
    (").detail", ").details"),
    ('socket("/ws/presence"', 'socket("/ws/presences"'),
    ('"all_statuses"', '"all_status"'),
    ("friend.username", "friend.name"),
    ("data.is_streaming", "data.live"),
    ('send({ type: "chord_change"', 'send({ type: "chord"'),
    ("data: { chord: value }", "data: { name: value }"),
    ('call("/whip/{username}"', 'call("/whip/{name}"'),
)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    for program, is_there in (("node", shutil.which("node")), ("typescript", COMPILER.is_file()), ("openapi-typescript", MAKER.is_file())):
        if not is_there:
            missing_program(program)


def wrong_by_types(folder: Path) -> dict[str, str]:
    """What tsc says, strictly and with the types in there alone, of the scripts in a folder: the path of each that is wrong -> why."""
    (folder / "tsconfig.json").write_text(json.dumps(SETTINGS))
    done = subprocess.run(["node", COMPILER, "-p", "."], cwd=folder, capture_output=True, text=True)
    found = dict(re.findall(r"^(\S+\.js)\(\d+,\d+\): (error .*)$", done.stdout, re.MULTILINE))
    assert bool(found) == bool(done.returncode) == bool(done.stdout), done.stdout + done.stderr
    return found


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the types of the documents as they are."""
    folder = tmp_path_factory.mktemp("types")
    write_types(folder, interface(), sockets())
    return folder


def test_it_is_right_by_the_documents(types: Path, tmp_path: Path) -> None:
    """tsc finds each path, media type, field and message that it names, and no mistake but those that it was given."""
    shutil.copytree(types, tmp_path, dirs_exist_ok=True)
    (tmp_path / "client.js").write_text(EXAMPLE)
    assert wrong_by_types(tmp_path) == {}
    for number, (right, wrong) in enumerate(MISTAKES):
        assert EXAMPLE.count(right) == 1, right
        (tmp_path / f"mistake{number}.js").write_text(EXAMPLE.replace(right, wrong))
    assert set(wrong_by_types(tmp_path)) == {f"mistake{number}.js" for number in range(len(MISTAKES))}


def test_it_notices_another_document(types: Path, tmp_path: Path) -> None:
    """Where a document has another name for what it uses, tsc says so; where it has the same, tsc says nothing."""
    shutil.copytree(types, tmp_path / "same")
    (tmp_path / "same" / "client.js").write_text(EXAMPLE)
    for number, change in enumerate(CHANGES):
        folder = tmp_path / f"change{number}"
        shutil.copytree(types, folder)
        (folder / "client.js").write_text(EXAMPLE)
        routes, sockets = changed(change)
        if change.of_routes:
            write_route_types(folder, routes)
        else:
            write_socket_types(folder, sockets)
    assert set(wrong_by_types(tmp_path)) == {f"change{number}/client.js" for number in range(len(CHANGES))}


async def test_a_server_is_asked(server: StartServer, tmp_path: Path) -> None:
    """The command that client.js names makes the same types of what a real server answers, by any Python: no package is needed."""
    house = await server()
    for folder in (asked := tmp_path / "asked", own := tmp_path / "own"):
        folder.mkdir()
    subprocess.run([sys.executable, "-S", "-m", "tests.examples.document_types", house.url, asked], cwd=ROOT, check=True)
    write_types(own, interface(), sockets())
    for name in ("openapi.d.ts", "asyncapi.d.ts"):
        assert (asked / name).read_text() == (own / name).read_text()
