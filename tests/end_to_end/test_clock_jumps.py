"""A real server whose clocks jump: nothing is deleted for it. And one that is killed while it deletes: nothing is half there."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from db import recordings, trash
from db.connection import Database
from db.tables import DiscardedFolder, LastTrustedTime, Recording, now
from tests.conftest import StartServer
from tests.support.people import Person, signed_up
from tests.support.running import Server
from tests.support.shifted import ShiftedClocks

DAY_S = 86_400.0
FILES = 400  # of a recording that takes its time to be deleted


@pytest.fixture
def clocks(tmp_path: Path) -> Iterator[ShiftedClocks]:
    made = ShiftedClocks(tmp_path)
    yield made
    made.close()


@asynccontextmanager
async def rows(running: Server) -> AsyncIterator[Database]:
    """The server's database, opened beside it."""
    async with Database(running.storage / "hushcast.db") as database:
        yield database


async def kept(running: Server, username: str, age: timedelta, files: int = 1) -> int:
    """A recording that is there already, with its files."""

    def make() -> Recording:
        made = recordings.begin(username, f"{username} {age} {now()}", None, now() - age)
        Recording.update(state="ready", size_bytes=files).where(Recording.id == made.id).execute()
        return made

    async with rows(running) as database:
        row = await database.run(make)
    folder = running.storage / row.folder
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number}.opus").write_bytes(b"x")
    return int(row.id)


async def ids(person: Person, path: str = "/api/recordings") -> set[int]:
    return {each["id"] for each in await person.call("GET", path, status=200)}


async def until(running: Server, condition: Callable[[], bool], stretch: float) -> None:
    """Wait, while the server's loop is woken now and then: it does not know yet that its clocks were moved."""
    async with asyncio.timeout(60 * stretch):
        while not condition():
            _, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.05)


async def lived(running: Server, clocks: ShiftedClocks, days: float, stretch: float) -> None:
    """Let days pass, half a day at a time; after each the server has tidied at a time that it trusts."""
    while days > 0:
        async with rows(running) as database:
            before = await noted(database)
            clocks.pass_s(min(days, 0.5) * DAY_S)
            days -= 0.5
            async with asyncio.timeout(60 * stretch):
                while (after := await noted(database)) is None or (before is not None and after <= before):
                    await until(running, lambda: True, stretch)
                    await asyncio.sleep(0.05)
                    clocks.pass_s(20)  # the clock may have to be steady first


async def noted(database: Database) -> datetime | None:
    """The last time that the server has trusted."""
    row = await database.run(LastTrustedTime.get_or_none)
    return None if row is None else row.moment


async def test_forty_days_for_five_seconds_delete_nothing(server: StartServer, clocks: ShiftedClocks, stretch: float) -> None:
    """Neither what keep_days keeps, nor what lies in the trash, nor the login, which is good again afterwards; then days count as ever."""
    running = await server({"recording.keep_days": 30}, **clocks.environment)
    async with signed_up(running.url, "ada") as ada:
        old, deleted = await kept(running, "ada", timedelta(days=28)), await kept(running, "ada", timedelta(days=1))
        await ada.call("DELETE", f"/api/recording/{deleted}", status=204)
        await lived(running, clocks, 0.1, stretch)
        clocks.jump_s(40 * DAY_S)
        clocks.pass_s(20)
        await until(running, lambda: "the clock is 40 days, 0:00:00 ahead of what was known" in running.log, stretch)
        await ada.call("GET", "/api/me", status=401)
        clocks.jump_s(-40 * DAY_S)
        await ada.call("GET", "/api/me", status=200)
        await lived(running, clocks, 0.1, stretch)
        assert await ids(ada) == {old} and await ids(ada, "/api/trash") == {deleted}
        await lived(running, clocks, 2.5, stretch)
        assert await ids(ada) == set() and await ids(ada, "/api/trash") == {old, deleted}
        await lived(running, clocks, 5, stretch)
        assert await ids(ada, "/api/trash") == {old}
        folders = running.storage / "recordings"
        await until(running, lambda: not (folders / str(deleted)).exists(), stretch)  # its files go after its row
        assert (folders / str(old)).exists()
        await ada.call("POST", f"/api/recording/{old}/restore", status=204)
        await lived(running, clocks, 1, stretch)
        assert await ids(ada) == {old}


@pytest.mark.parametrize("off_days", [40, -4000])
async def test_a_start_with_a_wrong_clock_deletes_nothing(
    server: StartServer, clocks: ShiftedClocks, off_days: float, stretch: float
) -> None:
    """Forty days ahead, or years behind as a machine without a battery begins: half an hour of it is not believed."""
    running = await server({"recording.keep_days": 30}, **clocks.environment)
    async with signed_up(running.url, "ada") as ada:
        young, deleted = await kept(running, "ada", timedelta(days=2)), await kept(running, "ada", timedelta(days=1))
        await ada.call("DELETE", f"/api/recording/{deleted}", status=204)
        await lived(running, clocks, 0.1, stretch)
        await asyncio.to_thread(running.kill)
        clocks.jump_s(off_days * DAY_S)
        await running.start()
        async with rows(running) as database:
            before = await noted(database)
            for _ in range(3):
                clocks.pass_s(600)
                await until(running, lambda: re.search(r"the clock is \d+ days, ", running.log) is not None, stretch)
            assert await noted(database) == before
        await asyncio.to_thread(running.kill)
        clocks.jump_s(-off_days * DAY_S)
        await running.start()
        await lived(running, clocks, 0.1, stretch)
        assert await ids(ada) == {young} and await ids(ada, "/api/trash") == {deleted}


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.03, 0.1])
async def test_a_kill_in_the_middle_of_a_deletion_leaves_nothing_half(server: StartServer, delay_s: float, stretch: float) -> None:
    """Every row that is left has all its files; files without a row are known, and gone after the next start."""
    running = await server({"recording.trash_days": 0})
    async with signed_up(running.url, "ada") as ada:
        made = [await kept(running, "ada", timedelta(days=1), FILES) for _ in range(6)]
        going = [asyncio.create_task(ada.call("DELETE", f"/api/recording/{each}")) for each in made]
        await asyncio.sleep(delay_s)
        await asyncio.to_thread(running.kill)
        await asyncio.gather(*going, return_exceptions=True)
        folder = running.storage / "recordings"
        async with rows(running) as database:
            there = await database.run(lambda: {row.folder for row in Recording.select()})
            doomed = await database.run(lambda: {row.folder for row in DiscardedFolder.select()})
            for name in there:
                assert len(list((running.storage / name).iterdir())) == FILES
            left = {f"recordings/{each.name.removeprefix('.gone-')}" for each in folder.iterdir() if each.name[-1].isdigit()}
            assert left - there <= doomed and not there & doomed
        await running.start()
        async with rows(running) as database, asyncio.timeout(30 * stretch):
            while await database.run(trash.discarded):
                await asyncio.sleep(0.05)
        assert {f"recordings/{each.name}" for each in folder.iterdir() if each.name[-1].isdigit()} == there
        assert {f"recordings/{each}" for each in await ids(ada)} == there
