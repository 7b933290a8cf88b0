"""web/client/dist is what the modules make, byte by byte."""

import os
import shutil
from pathlib import Path

import pytest

from web.install.bundle import DIST, build
from web.install.tools import NODE_MODULES

RENEW = "web/client/dist is not what its modules make now: run `python3 run.py bundle` and commit what it writes"


@pytest.fixture
def bundlers() -> None:
    """Skips where node or its packages are missing; under CI they may not be."""
    if shutil.which("node") and all((NODE_MODULES / name).is_dir() for name in ("esbuild", "@gfx/zopfli", "brotli-wasm")):
        return
    missing = "node or its packages are not there; `python3 run.py test` fetches them"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.mark.usefixtures("bundlers")
def test_the_bundle_is_that_of_the_modules(tmp_path: Path) -> None:
    """Made anew, with the pinned tools, it is the same files with the same bytes, and there is no source map among them."""
    build(tmp_path)
    made, there = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in (tmp_path, DIST))
    assert made.keys() == there.keys() and all(made[name] == there[name] for name in made), RENEW
    assert not any(name.endswith(".map") or b"sourceMappingURL" in content for name, content in made.items())
