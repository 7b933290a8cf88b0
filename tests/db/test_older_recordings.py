"""Rows that an older version wrote, after the migrations."""

import sqlite3
from contextlib import closing
from pathlib import Path

from db import migrations, recordings
from db.connection import Database
from db.migrations import m0001_first


async def test_older_recordings_have_a_share_and_no_spans(tmp_path: Path) -> None:
    """All of what was cleaned counts as cleaned, for nobody has written down what was not."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(migrations.APPLIED)
        for statement in m0001_first.STATEMENTS:
            file.execute(statement)
        file.execute("INSERT INTO migration (name) VALUES ('m0001_first')")
        file.execute("INSERT INTO user VALUES (1, 'alice', 'x', '2026-01-01T00:00:00.000000Z')")
        for number, denoised in ((1, 0), (2, 1)):
            values = (number, str(number), "ready", "2026-01-01T00:00:00.000000Z", denoised, f"recordings/{number}")
            file.execute(
                "INSERT INTO recording (id, user_id, broadcast, state, started_at, denoised, folder) VALUES (?, 1, ?, ?, ?, ?, ?)", values
            )
    async with Database(path) as database:
        found = [await database.run(recordings.find, number) for number in (1, 2)]
    assert [(each.denoised, each.denoised_share, each.spans) for each in found] == [(False, 0.0, []), (True, 1.0, [])]
