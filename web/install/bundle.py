"""`run.py bundle`: bundles and compresses the page's modules into web/client/dist. Readable by Python 3.8."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from web.install.messages import Failed, say
from web.install.stamps import ROOT
from web.install.tools import NODE_MODULES, ensure_npm_packages

CLIENT = ROOT / "web" / "client"
DIST = CLIENT / "dist"
SCRIPT = Path(__file__).with_name("bundle.mjs")


def build(folder: Path) -> None:
    """Write the bundle into a folder that is there. Raises Failed if node, its packages or a module are not as they must be."""
    node = shutil.which("node")
    if node is None:
        raise Failed("node is not there; it makes the bundle")
    command = [node, str(SCRIPT), str(CLIENT), str(folder), str(NODE_MODULES)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failed(done.stdout.strip())


def main(arguments: Sequence[str]) -> int:
    """Replace web/client/dist by a new bundle once that is complete. Raises Failed."""
    if arguments:
        print("usage: python3 run.py bundle")
        return 0
    ensure_npm_packages()
    with tempfile.TemporaryDirectory(dir=str(CLIENT)) as made:
        build(Path(made))
        DIST.mkdir(exist_ok=True)
        for old in set(DIST.iterdir()) - {DIST / new.name for new in Path(made).iterdir()}:
            old.unlink()
        for new in sorted(Path(made).iterdir()):
            new.replace(DIST / new.name)
            say(f"web/client/dist/{new.name}: {(DIST / new.name).stat().st_size} bytes")
    return 0
