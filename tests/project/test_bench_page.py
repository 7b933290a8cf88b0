"""bench page: that it runs, and what it compares with."""

import gzip
import shutil
from pathlib import Path

import pytest

from tests.bench import empty_page
from tests.conftest import CHROMIUM, missing_program
from tests.project.test_bench import bench
from web.app import CLIENT_FOLDER


@pytest.mark.slow
@pytest.mark.browser
async def test_page(stretch: float) -> None:
    """bench page visits each page with an empty cache and again, beside an empty page of the same weight."""
    if not any(map(shutil.which, CHROMIUM)):
        missing_program("Chromium")
    empty, *pages = await bench("page", "--rounds", "1", deadline_s=300 * stretch)
    assert empty["build"] == "an empty page" and [row["page"] for row in pages] == ["login", "home"]
    for row in (empty, *pages):
        assert row["first_ms"] > 0 and row["requests"] >= 3
        assert row["code_kb"] == empty["code_kb"] > 0 and row["later_code_kb"] == 0
    assert all(row["to_empty"] > 0 for row in pages)


def test_an_empty_page_has_the_weight_of_the_bundle(tmp_path: Path) -> None:
    """Each file in each coding has the size of the bundle's; what is packed can be unpacked, and has the button."""
    empty_page.make(tmp_path / "client", CLIENT_FOLDER)
    for file in (CLIENT_FOLDER / "dist").iterdir():
        made = tmp_path / "client" / "dist" / file.name
        assert made.stat().st_size == file.stat().st_size, file.name
    script = gzip.decompress((tmp_path / "client" / "dist" / "page.js.gz").read_bytes())
    assert empty_page.SCRIPT.encode() in script and (tmp_path / "client" / "dist" / "page.js").read_bytes().startswith(script[:100])
    assert "/api/me" not in (tmp_path / "client" / "index.html").read_text()
