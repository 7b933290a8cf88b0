"""Imports run one way, as the sound does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import ROOT

ROOMS = ("sfu", "workers", "db", "web")
# Room -> which of our rooms it may know, and which strangers it may not.
KNOWS = {
    "sfu": {"sfu", "workers"},
    "workers": {"workers"},
    "db": {"db"},
    "web": {"web", "sfu", "db", "workers"},
}
STRANGERS = {
    "sfu": {"aiohttp", "aiohttp_session", "peewee", "playhouse", "torch", "onnxruntime", "df", "libdf", "scipy"},
    "workers": {"aiohttp", "aiohttp_session", "peewee", "playhouse", "aiortc", "aioice"},
    "db": {"aiohttp", "aiohttp_session", "aiortc", "aioice", "torch", "onnxruntime", "df", "numpy"},
    "web": {"peewee", "playhouse", "torch", "onnxruntime", "df", "libdf", "numpy"},
}
# Of the workers' room the server side may know the contract, and nothing that denoises.
CONTRACT = {
    "root",
    "link",
    "models",
    "weights",
    "recordings",
    "child",
    "pdeathsig",
    "hugepages",
    "registry",
    "errors",
    "denoiser",
    "interrupt",
    "chunks",
    "disk_room",
}
PARTS = ("ingest.ingest", "denoise.worker_run", "fanout.fanout", "recording.recorder")  # of one broadcast; they do not know each other
PRIVATE = {"dtls.py", "recipients.py"}  # where pylibsrtp's internals may be known
TEXT = tuple(f"wire.{name}" for name in "sdp sdp_parser offer answer sdp_fragment candidates rtp rtcp red".split())
RULES = ("wire.ice", "denoise.restart_policy", "denoise.overload_guard", "broadcast.adaptation")


def modules() -> Iterator[Path]:
    return (file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))


def imported(file: Path) -> set[str]:
    """Full names of the modules that a file imports, type checking only imports left out."""
    found = set()
    for node in _running(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            base = str(node.module)
            inner = ROOT.joinpath(*base.split(".")).is_dir()  # from sfu import rtp
            found |= {f"{base}.{name.name}" if inner else base for name in node.names}
    return found


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _running(node)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms(room: str) -> None:
    """A room imports only the rooms below it, and none of the libraries that belong to another."""
    wrong = []
    for file in sorted((ROOT / room).rglob("*.py")):
        for name in imported(file):
            top = name.split(".")[0]
            if top in STRANGERS[room] or (top in (*ROOMS, "tests", "run") and top not in KNOWS[room]):
                wrong.append(f"{file.relative_to(ROOT)}: {name}")
    assert not wrong


def test_the_server_knows_only_the_contract_of_workers() -> None:
    """sfu and web import of the workers' room its contract, never a denoiser."""
    wrong = []
    for file in modules():
        if file.relative_to(ROOT).parts[0] in ("sfu", "web"):
            used = {name for name in imported(file) if name.startswith("workers.")}
            wrong += [f"{file.relative_to(ROOT)}: {name}" for name in used if name.split(".")[1] not in CONTRACT]
    assert not wrong


def test_the_parts_of_a_broadcast_do_not_know_each_other() -> None:
    """ingest, denoise, fanout and recorder meet in broadcast only."""
    for part in PARTS:
        file = ROOT / "sfu" / f"{part.replace('.', '/')}.py"
        others = {f"sfu.{other}" for other in PARTS if other != part}
        assert not others & imported(file), file


@pytest.mark.parametrize("name", [*TEXT, *RULES])
def test_who_reads_or_decides_does_no_more(name: str) -> None:
    """Descriptions, packets and rules are read, written and applied without a loop, a socket or a clock."""
    assert not {"asyncio", "socket", "time", "logging", "sfu.net.media_port", "sfu.net.tcp"} & imported(
        ROOT / "sfu" / f"{name.replace('.', '/')}.py"
    )


def test_internals_of_libraries_are_known_in_one_place() -> None:
    """Only the DTLS file, and the batch that it lends itself to, know pylibsrtp's binding."""
    knowing = {file.name for file in modules() if any(name.startswith("pylibsrtp._") for name in imported(file))}
    assert knowing <= PRIVATE


def test_no_classic_media_path() -> None:
    """Nobody uses aiortc's peer connections, senders, receivers or relays."""
    classic = {"RTCPeerConnection", "RTCRtpSender", "RTCRtpReceiver", "MediaRelay"}
    for file in modules():
        names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert not classic & names, file


def test_no_name_says_nothing() -> None:
    """No module is called manager, helper, util, common, misc or data."""
    empty = ("manager", "helper", "util", "common", "misc", "data", "info")
    assert not [file for file in modules() if any(file.stem.strip("s").endswith(word) for word in empty)]


def test_every_test_folder_is_a_package() -> None:
    """Else tests/sfu would shadow sfu."""
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


def test_the_server_never_loads_a_model() -> None:
    """After `import web.app` neither torch nor onnxruntime nor df is in memory."""
    ask = "import sys, web.serve; print(*({'torch', 'onnxruntime', 'df', 'libdf', 'scipy', 'matplotlib'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == ""
