"""What is on air, in rows."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from db import broadcasts, recordings, users
from db.connection import Database
from db.tables import Recording, now


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    async with Database(place) as opened:
        await opened.run(users.create, "Ada", "x")
        await opened.run(users.create, "ben", "x")
        yield opened


def row(identity: str, **more: Any) -> dict[str, Any]:
    fixed = {"title": "T", "renamed": False, "since": now(), "boot": "b", "boot_s": 1.5, "muted": True, "record": True}
    fixed |= {"denoise": False, "denoiser": None, "strength_db": 12.5, "resource": "r", "access": "login:1", "tape": identity, "origin": 0}
    return {"id": identity, **fixed, **more}


async def left(database: Database) -> dict[str, int | None]:
    found = await database.read(broadcasts.left)
    return {f"{each.user.username} {each.id}": None if tape is None else tape.id for each, tape in found.going_on}


async def test_what_was_written_last_is_found_with_its_recording(database: Database) -> None:
    """One a user: a newer broadcast replaces the older, whose end could not be written down; one without a recording has none."""
    for identity, muted in (("one", True), ("two", True), ("two", False)):
        await database.run(broadcasts.keep, "ada", row(identity, muted=muted), None)
    tape = await database.run(recordings.begin, "ada", "two", "T", now())
    await database.run(broadcasts.keep, "ben", row("three"), None)
    assert await left(database) == {"Ada two": tape.id, "ben three": None}
    [(found, _), _] = (await database.read(broadcasts.left)).going_on
    assert (found.muted, found.denoise, found.strength_db, found.denoiser) == (False, False, 12.5, None)
    await database.run(broadcasts.forget, "one")
    await database.run(broadcasts.forget, "three")
    assert await left(database) == {"Ada two": tape.id}


@pytest.mark.parametrize("state", ["finalising", "ready", "failed"])
async def test_whose_recording_is_closed_is_over(database: Database, state: str) -> None:
    """Such a row is still to be removed; but what is not to be recorded any more goes on, whatever became of the recording."""
    for name, identity, record in (("ada", "one", True), ("ben", "two", False)):
        await database.run(broadcasts.keep, name, row(identity, record=record), None)
        await database.run(recordings.begin, name, identity, "T", now())
    await database.run(lambda: Recording.update(state=state).execute())
    assert await left(database) == {"ben two": None}
    assert (await database.read(broadcasts.left)).over == ["one"]


async def test_of_several_recordings_one_goes_on(database: Database) -> None:
    """The one that the row names, though an earlier one of the broadcast is closed; none where that one has no row yet."""
    await database.run(recordings.begin, "ada", "one", "T", now())
    await database.run(recordings.interrupt)
    await database.run(broadcasts.keep, "ada", row("one", tape="one.4800", origin=4800), None)
    assert await left(database) == {"Ada one": None}
    later = await database.run(recordings.begin, "ada", "one.4800", "T", now())
    assert await left(database) == {"Ada one": later.id}
    await database.run(broadcasts.keep, "ada", row("one", tape="one.4800", origin=4800, record=False), "New")
    assert await left(database) == {"Ada one": None}
    assert (await database.run(recordings.find, later.id)).title == "New"


async def test_a_title_reaches_the_recording_while_it_is_live(database: Database) -> None:
    """Only a given one, only its own recording, and none that is over."""
    tape = await database.run(recordings.begin, "ada", "one", "T", now())
    other = await database.run(recordings.begin, "ada", "two", "T", now())

    async def titles() -> list[str | None]:
        return [(await database.run(recordings.find, each.id)).title for each in (tape, other)]

    for title, expected in ((None, "T"), ("New", "New"), ("", None)):
        await database.run(broadcasts.keep, "ada", row("one"), title)
        assert await titles() == [expected, "T"]
    await database.run(recordings.interrupt)
    await database.run(broadcasts.keep, "ada", row("one"), "Late")
    assert await titles() == [None, "T"]


async def test_an_account_takes_its_broadcast_along(database: Database) -> None:
    """Its row goes with it; nothing is kept for nobody."""
    await database.run(broadcasts.keep, "ada", row("one"), None)
    await database.run(users.remove, (await database.run(users.find, "ada")).id)
    await database.run(broadcasts.keep, "ada", row("one"), None)
    assert await left(database) == {}


async def test_what_goes_on_is_not_interrupted(database: Database) -> None:
    """All other live recordings are to be finalised."""
    for name, identity in (("ada", "one"), ("ben", "two")):
        await database.run(recordings.begin, name, identity, "T", now())
    assert await database.run(recordings.interrupt, ["one"]) == 1
    assert [each.state for each in await database.run(lambda: list(Recording.select().order_by(Recording.id)))] == ["live", "finalising"]
