"""What the last run left on air, as the next one finds it."""

from pathlib import Path

from db import broadcasts, recordings, users
from db.connection import Database
from db.models import LiveBroadcast, now
from db.recordings import Ended
from sfu.config import Recording
from web.logbook import Logbook

ROW = {"title": "", "renamed": False, "since": now(), "boot": "b", "boot_s": 1.5, "muted": True, "record": True, "denoise": False}
REST = {"denoiser": None, "strength_db": None, "resource": "r", "access": "login:1"}


async def test_a_kill_between_the_end_of_a_recording_and_of_its_broadcast(tmp_path: Path) -> None:
    """The next start opens: it removes the row of what was over, and takes up what was not."""
    async with Database(tmp_path / "x.db") as database:
        for name in ("ada", "ben"):
            await database.run(users.create, name, "x")
            await database.run(broadcasts.keep, name, {"id": f"of {name}", **ROW, **REST}, None)
            tape = await database.run(recordings.begin, name, f"of {name}", None, now())
            if name == "ada":
                await database.run(recordings.close, tape.id, Ended(1.0, ["original"], 1, {}))
        async with Logbook(database, tmp_path, Recording()) as logbook:
            assert [each.left.id for each in logbook.found] == ["of ben"] and logbook.going_on == {"of ben"}
        assert await database.read(lambda: [each.id for each in LiveBroadcast.select()]) == ["of ben"]
