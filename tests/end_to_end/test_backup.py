"""Backup → wipe → restore with a real server, on which somebody is on air meanwhile."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.test_muted import recorded, talking
from tests.support.people import Person, friends
from tests.support.running import ROOT, Server
from tests.support.spoken import decoded


async def command(house: Server, name: str, *arguments: object) -> None:
    """`run.py NAME` with the settings of the server."""
    line = [sys.executable, "-m", f"web.cli.{name}", "--config", house.folder / "config.toml", *arguments]
    done = await asyncio.to_thread(subprocess.run, line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def seen(ada: Person, ben: Person) -> list[object]:
    """What people have: friends, links with their addresses, invites, preferences, logins, the finished recording."""
    asked = [(ada, path) for path in ("friends", "listen-links", "invites", "me/preferences")] + [(ben, "friends")]
    answers = [await person.call("GET", f"/api/{path}") for person, path in asked]
    logins = await ada.call("GET", "/api/me/sessions")
    return [*answers, [each["id"] for each in logins], (await ada.call("GET", "/api/recordings"))[-1]]


async def on_air(person: Person, seconds: float) -> None:
    async with asyncio.timeout(60):
        while (await person.until(person.name, state="live"))["duration_s"] < seconds:
            await asyncio.sleep(0.05)


async def test_backup_wipe_restore(server, tmp_path: Path) -> None:
    """Every login, friendship, link and file is there; the broadcast that was on air is a recording up to the backup."""
    house: Server = await server({"denoise.default": "passthrough", "broadcast.grace_s": 0.5})
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await ada.call("POST", "/api/listen-links", {})
        await ada.call("POST", "/api/invites", {})
        async with ada.phone() as mic:
            await mic.publish("ada")
            async with talking(mic):
                await on_air(ada, 1.0)
            await ada.call("POST", "/api/stream/stop")
        first = await recorded(house, ada)
        sound = {each.name: each.read_bytes() for each in first.iterdir()}
        async with ada.phone() as mic:
            await mic.publish("ada")
            async with talking(mic):
                await on_air(ada, 2.0)
                await command(house, "backup", tmp_path / "b.tar.gz")
                was_at = (await ada.status())["duration_s"]
                before = await seen(ada, ben)
            await ada.call("POST", "/api/stream/stop")
        await asyncio.to_thread(house.stop)
        for each in house.storage.iterdir():
            if each.name != "cache":
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        await command(house, "restore", tmp_path / "b.tar.gz")
        await house.start()
        folder = await recorded(house, ada)
        after = await seen(ada, ben)
        for each in (before, after):
            for friend in (*each[0], *each[4]):  # who is on air and seen now is no part of a backup
                for key in ("live", "online", "title", "since", "denoised", "last_seen"):
                    friend.pop(key, None)
        assert after == before
        assert {each.name: each.read_bytes() for each in first.iterdir()} == sound
        assert folder != first and 1.0 < len(decoded(folder / "original.opus")) / 48_000 <= was_at + 0.5
