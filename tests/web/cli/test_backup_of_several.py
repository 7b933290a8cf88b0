"""Of several servers each backs up its own files, with all rows; one restores these, and the others their files."""

import asyncio
import shutil
from pathlib import Path

import pytest

from db.opening import HALF_RESTORED
from tests.support.postgres import Postgres
from tests.web.cli.installations import Installation, installed, one_line
from web.cli.restore_switch import FILES_ALONE

pytestmark = pytest.mark.usefixtures("postgres_server")  # is started before a test looks at what is running

ROWS = """INSERT INTO "user" (id, username, password_hash, created_at) VALUES (1, 'alice', 'x', '2026-01-01T00:00:00.000000Z');
INSERT INTO recording (id, user_id, broadcast, state, started_at, folder, node) VALUES
    (1, 1, 'a', 'ready', '2026-01-01T00:00:00.000000Z', 'recordings/1', 'one'),
    (2, 1, 'b', 'ready', '2026-01-01T00:00:00.000000Z', 'recordings/2', 'two'),
    (3, 1, 'c', 'ready', '2026-01-01T00:00:00.000000Z', 'recordings/3.2', 'two'),
    (4, 1, 'd', 'ready', '2026-01-01T00:00:00.000000Z', 'recordings/4', ''),
    (5, 1, 'e', 'live', '2026-01-01T00:00:00.000000Z', 'recordings/5.2', 'two');
INSERT INTO recording_part (recording_id, node, epoch, from_s, to_s, sha256, folder) VALUES
    (3, 'one', 1, 0, 3, 'x', 'recordings/3'), (3, 'two', 2, 3, 9, 'y', NULL),
    (5, 'one', 1, 0, NULL, NULL, 'recordings/5'), (5, 'two', 2, 3, NULL, NULL, NULL)"""
FILES = {"one": ("1", "3", "4", "5"), "two": ("2", "3.2", "5.2")}


def server(folder: Path, name: str, url: str) -> Installation:
    secret = "s" * 32
    several = f'[redis]\nurl = "redis://127.0.0.1:1/0"\n[node]\nname = "{name}"\nurl = "http://127.0.0.1:1"\nsecret = "{secret}"\n'
    return installed(folder / name, url, several)


async def test_each_has_its_own_files(
    postgres_url: str, postgres_server: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parts that are not joined yet too; it is said what is elsewhere. All of it comes back."""
    servers = [server(tmp_path, name, postgres_url) for name in FILES]
    servers[0].do(ROWS)
    for each, folders in zip(servers, FILES.values(), strict=True):
        for folder in folders:
            (each.storage / "recordings" / folder).mkdir(parents=True)
            (each.storage / "recordings" / folder / "spans.log").write_bytes(each.settings.parent.name.encode())
        (each.storage / "names.json").write_text("{}")
    rows, had = await servers[0].rows(), [each.files() for each in servers]
    said = []
    for each in servers:
        assert await asyncio.to_thread(each.backup, each.settings.with_name("b")) == 0
        said.append(capsys.readouterr().out)
        shutil.rmtree(each.storage)
    assert "5 recordings" in said[0] and "files of 3 recordings are at other servers (two)" in said[0]
    assert "files of 1 recordings are at other servers (one)" in said[1] and "These recordings have no files" not in said[0]
    assert "Parts of 2 recordings are at other servers (one)" in said[1] and "Parts of" not in said[0]
    assert "have no files, in storage.path neither: 4." in said[1], "of the time when there was one server, which is not this one"
    with postgres_server.database() as name:
        servers = [one, two] = [server(tmp_path, each, postgres_server.url(name)) for each in FILES]
        assert await asyncio.to_thread(one.restore, one.settings.with_name("b")) == 0
        assert await asyncio.to_thread(two.restore, two.settings.with_name("b")) == 2 and "has rows" in capsys.readouterr().err
        assert await asyncio.to_thread(two.restore, two.settings.with_name("b"), "--files") == 0
        assert "rows were left alone" in capsys.readouterr().out
        (mark := two.storage / HALF_RESTORED).touch()
        assert await asyncio.to_thread(two.restore, two.settings.with_name("b"), "--files", "--replace") == 2 and mark.exists()
        assert "restore again without --files" in one_line(capsys)
        mark.write_text(FILES_ALONE)  # one of files alone may be done again
        assert await asyncio.to_thread(two.restore, two.settings.with_name("b"), "--files", "--replace") == 0 and not mark.exists()
        assert await servers[1].rows() == rows
    for each, before in zip(servers, had, strict=True):
        after = each.files()
        assert after.pop("config-of-backup.toml") and after == before


def test_one_on_sqlite_has_no_files_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They would not fit to the rows."""
    (tmp_path / "b").write_bytes(b"")
    assert installed(tmp_path / "x").restore(tmp_path / "b", "--files") == 2 and "--files is for several servers" in one_line(capsys)
