"""What the server must not load, and what of aiortc it must not use."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.project.architecture.tree import ours
from tests.support.running import ROOT


def test_no_classic_media_path() -> None:
    """Nobody uses aiortc's peer connections, senders, receivers or relays."""
    classic = {"RTCPeerConnection", "RTCRtpSender", "RTCRtpReceiver", "MediaRelay"}
    for module in ours().modules.values():
        names = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
        assert not classic & names, module.file


def test_the_server_never_loads_a_model() -> None:
    """After `import web.app` neither torch nor onnxruntime nor df is in memory."""
    ask = "import sys, web.serve; print(*({'torch', 'onnxruntime', 'df', 'libdf', 'scipy', 'matplotlib'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == ""


def test_one_server_loads_nothing_of_several(tmp_path: Path) -> None:
    """A server on SQLite, started as it is, with a database opened: none of the packages of `run.py install nodes` and `acme`."""
    (tmp_path / "config.toml").write_text('[http]\nhost = "127.0.0.1"\nport = 0\ntls = "no"\n')
    ask = f"""
import asyncio, pathlib, runpy, sys

async def look():
    from db.connection import Database
    async with Database(pathlib.Path({str(tmp_path / "x.db")!r})) as database:
        await database.check()

sys.argv = ["web.serve", "--config", {str(tmp_path / "config.toml")!r}]
try:
    runpy.run_module("web.serve", run_name="__main__")
except SystemExit:
    asyncio.run(look())
    print(*({{"psycopg", "psycopg_binary", "redis", "obstore", "acme", "josepy"}} & set(sys.modules)), "end")
"""
    said = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    assert said.stdout.strip() == "end", said.stderr
