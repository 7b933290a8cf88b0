"""Deleted recordings: taken back, gone for good, and never gone because of a clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db import known_time, trash
from db.tables import DiscardedFolder
from db.tables import Recording as Row
from sfu.config.schema import RecordingConfig
from tests.web.conftest import Guest, House, OpenHouse
from tests.web.recordings.test_recordings import folder_of, sound, tape, until
from tests.web.recordings.test_trusted_time import DAY_S, Clocks
from web import app as wiring
from web.keys import DB
from web.recordings import archive as archives
from web.recordings.archive import ARCHIVE
from web.recordings.tidying import TIDYING
from web.recordings.trusted_time import STEADY_FAR_S, STEADY_S, TrustedClock


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """The clocks of every house that is opened."""
    made = Clocks(datetime.now(UTC))
    monkeypatch.setattr(wiring, "TrustedClock", lambda known: TrustedClock(known, made.read))
    return made


async def tidied(house: House, clocks: Clocks, seconds: float) -> None:
    """Let time pass under the eyes of the house, then let it tidy."""
    clocks.watched(house.app[TIDYING]._clock, seconds)
    await house.app[TIDYING].tidy()


async def lived(house: House, clocks: Clocks, days: float) -> None:
    """Let days pass, in which the house tidies as often as it does."""
    while days > 0:
        await tidied(house, clocks, min(days, 0.5) * DAY_S)
        days -= 0.5


async def ids(guest: Guest, path: str = "/api/recordings") -> list[int]:
    status, listed = await guest.ask("GET", path)
    assert status == 200
    return [each["id"] for each in listed]


async def ready(house: House, guest: Guest, **more: Any) -> int:
    recording = await tape(house, "alice", **more)
    await until(guest, recording)
    return recording


async def test_what_is_deleted_can_be_taken_back(house: House) -> None:
    """In the trash it is nowhere else, for nobody; taken back it is as it was, to the byte."""
    alice, bob = await house.friends("alice", "bob")
    recording = await ready(house, alice, seconds=1)
    before = await until(alice, recording)
    _, whole, _ = await sound(alice, recording)
    used = (await alice.ask("GET", "/api/storage"))[1]["used_bytes"]
    assert (await alice.ask("DELETE", f"/api/recording/{recording}"))[0] == 204
    for guest in (alice, bob):
        assert await ids(guest, "/api/recordings/alice") == []
        for method, path in (("GET", "audio"), ("GET", "peaks"), ("PATCH", ""), ("DELETE", "")):
            status, answer = await guest.ask(method, f"/api/recording/{recording}/{path}".rstrip("/"), {"title": "x"})
            assert (status, answer["code"]) == (404, "not_found"), (method, path)
    (lying,) = (await alice.ask("GET", "/api/trash"))[1]
    deleted_at, gone_at = (datetime.fromisoformat(lying.pop(name)) for name in ("deleted_at", "gone_at"))
    assert lying == before and gone_at - deleted_at >= timedelta(days=7)
    assert await ids(bob, "/api/trash") == []
    assert (await alice.ask("GET", "/api/storage"))[1]["used_bytes"] == used
    assert (await alice.ask("POST", f"/api/recording/{recording}/restore"))[0] == 204
    assert await ids(alice, "/api/trash") == [] and await until(bob_sees := alice, recording) == before
    assert (await sound(bob_sees, recording))[1] == whole


async def test_who_may_take_back(house: House) -> None:
    """Whose it is; for everybody else there is no such thing. What is not in the trash is 409."""
    alice, bob = await house.friends("alice", "bob")
    recording = await ready(house, alice, seconds=1)
    path = f"/api/recording/{recording}/restore"
    status, answer = await alice.ask("POST", path)
    assert (status, answer["code"]) == (409, "not_in_trash")
    assert (await bob.ask("POST", path))[0] == 404
    await alice.ask("DELETE", f"/api/recording/{recording}")
    assert (await bob.ask("POST", path))[0] == 404 and (await bob.ask("DELETE", f"/api/recording/{recording}"))[0] == 404
    assert [(await house.guest().ask(*way))[0] for way in (("POST", path), ("GET", "/api/trash"))] == [401, 401]
    assert (await alice.ask("POST", "/api/recording/999/restore"))[0] == 404
    assert await ids(alice, "/api/trash?limit=1") == [recording] and await ids(alice, f"/api/trash?before={recording}") == []
    assert (await alice.ask("GET", "/api/trash?limit=none"))[0] == 422


async def test_the_trash_is_emptied_after_its_days(open_house: OpenHouse, clocks: Clocks) -> None:
    """Seven days of trusted time after it was deleted, row and files are gone; not before."""
    house = await open_house()
    alice = await house.user("alice")
    recording = await ready(house, alice, seconds=1)
    await alice.ask("DELETE", f"/api/recording/{recording}")
    await tidied(house, clocks, STEADY_S)
    await lived(house, clocks, 6.9)
    assert await ids(alice, "/api/trash") == [recording]
    await lived(house, clocks, 0.2)
    assert await ids(alice, "/api/trash") == [] and not folder_of(house, recording).exists()
    assert (await alice.ask("POST", f"/api/recording/{recording}/restore"))[0] == 404
    assert (await alice.ask("GET", "/api/storage"))[1]["used_bytes"] == 0
    assert await house.app[DB].run(trash.discarded) == []


@pytest.mark.parametrize("jump_days", [40, -40, 12_000])
async def test_a_jump_deletes_nothing(open_house: OpenHouse, clocks: Clocks, jump_days: int) -> None:
    """Neither what is kept for thirty days nor what lies in the trash, during the jump and after it; then age counts as before."""
    house = await open_house(recording=RecordingConfig(keep_days=30))
    alice = await house.user("alice")
    now = datetime.now(UTC)
    kept, deleted = [await ready(house, alice, seconds=1, started=now - timedelta(days=days)) for days in (29, 28)]
    await alice.ask("DELETE", f"/api/recording/{deleted}")
    await tidied(house, clocks, STEADY_S)
    clocks.jump_s(jump_days * DAY_S)
    await tidied(house, clocks, 5)
    clocks.jump_s(-jump_days * DAY_S)
    await tidied(house, clocks, 5)
    await tidied(house, clocks, STEADY_S)
    assert await ids(alice) == [kept] and await ids(alice, "/api/trash") == [deleted]
    await lived(house, clocks, 2)
    assert await ids(alice) == [] and set(await ids(alice, "/api/trash")) == {kept, deleted}


async def test_a_wrong_clock_that_is_believed_in_the_end_leaves_a_way_back(open_house: OpenHouse, clocks: Clocks) -> None:
    """Forty days ahead for hours: what is too old by that clock lies in the trash, and what lay there stays for its days anew."""
    house = await open_house(recording=RecordingConfig(keep_days=30))
    alice = await house.user("alice")
    kept, deleted = [await ready(house, alice, seconds=1, started=datetime.now(UTC) - timedelta(days=day)) for day in (2, 1)]
    await alice.ask("DELETE", f"/api/recording/{deleted}")
    await tidied(house, clocks, STEADY_S)
    clocks.jump_s(40 * DAY_S)
    await tidied(house, clocks, STEADY_FAR_S + 30)
    assert await ids(alice) == [] and set(await ids(alice, "/api/trash")) == {kept, deleted}
    clocks.jump_s(-40 * DAY_S)
    await tidied(house, clocks, STEADY_FAR_S + 30)
    await lived(house, clocks, 6)
    assert (await alice.ask("POST", f"/api/recording/{kept}/restore"))[0] == 204
    await lived(house, clocks, 1.1)
    assert await ids(alice) == [kept] and await ids(alice, "/api/trash") == []


async def test_a_machine_that_sleeps_often_empties_its_trash(open_house: OpenHouse, clocks: Clocks) -> None:
    """After a pause of days what lies in the trash has its days once more; after a second one it goes."""
    house = await open_house()
    alice = await house.user("alice")
    recording = await ready(house, alice, seconds=1)
    await tidied(house, clocks, STEADY_S)
    await alice.ask("DELETE", f"/api/recording/{recording}")
    for _ in range(3):
        assert await ids(alice, "/api/trash") == [recording]
        clocks.pass_s(5 * DAY_S)
        await tidied(house, clocks, 60)
    assert await ids(alice, "/api/trash") == []


@pytest.mark.parametrize("off_days", [40, -3000])
async def test_a_start_with_a_wrong_clock_deletes_nothing(open_house: OpenHouse, clocks: Clocks, off_days: int) -> None:
    """Forty days ahead or years behind of what the rows know: not in its first hour, and with the clock right again not at all."""
    house = await open_house("same", recording=RecordingConfig(keep_days=30))
    alice = await house.user("alice")
    kept = await ready(house, alice, seconds=1, started=datetime.now(UTC) - timedelta(days=1))
    await tidied(house, clocks, STEADY_S)
    await house.close()
    clocks.jump_s(off_days * DAY_S)
    house = await open_house("same", recording=RecordingConfig(keep_days=30))
    await tidied(house, clocks, STEADY_FAR_S - 60)
    clocks.jump_s(-off_days * DAY_S)
    await tidied(house, clocks, STEADY_S + 60)
    assert await house.app[DB].run(lambda: [row.id for row in Row.select() if row.deleted_at is None]) == [kept]


async def test_what_was_made_while_the_clock_was_behind_is_not_old(open_house: OpenHouse, clocks: Clocks) -> None:
    """A machine without a battery began in 1970 and somebody broadcast: by its number that is younger than last week's."""
    house = await open_house(recording=RecordingConfig(keep_days=30))
    alice, now = await house.user("alice"), datetime.now(UTC)
    began = (now - timedelta(days=50), now - timedelta(days=7), datetime(1970, 1, 1, tzinfo=UTC))
    old, last_week, odd = [await ready(house, alice, seconds=1, started=started) for started in began]
    await tidied(house, clocks, STEADY_S)
    assert await ids(alice) == [odd, last_week] and await ids(alice, "/api/trash") == [old]
    assert (await alice.ask("POST", f"/api/recording/{old}/restore"))[0] == 204
    await tidied(house, clocks, DAY_S)
    assert await ids(alice) == [odd, last_week, old], "what was taken back stays for its days"


async def test_the_quota_takes_from_the_trash_first(open_house: OpenHouse) -> None:
    """What was deleted goes for good, then the oldest that has ended, until the rest fits; no clock is asked."""
    house = await open_house(recording=RecordingConfig(quota_mb=1, keep_days=30))
    alice, now = await house.user("alice"), datetime.now(UTC)
    live, _ = await house.app[ARCHIVE].begin("alice", "live", None, now - timedelta(days=60))
    first, second = [await ready(house, alice, started=now - timedelta(days=day)) for day in (3, 2)]
    await alice.ask("DELETE", f"/api/recording/{second}")
    third = await ready(house, alice, started=now - timedelta(days=1))
    await house.app[TIDYING].tidy()
    assert await ids(alice) == [third, first, live] and await ids(alice, "/api/trash") == []
    fourth = await ready(house, alice)
    await house.app[TIDYING].tidy()
    assert await ids(alice) == [fourth, third, live]
    assert not any(folder_of(house, gone).exists() for gone in (first, second))
    storage = (await alice.ask("GET", "/api/storage"))[1]
    assert storage["used_bytes"] <= storage["quota_bytes"] == 1_000_000 and storage["keep_days"] == 30


async def test_an_account_takes_its_trash_along(house: House) -> None:
    """Rows and files of what lies in the trash go with the account."""
    alice = await house.user("alice")
    recording = await ready(house, alice, seconds=1)
    await alice.ask("DELETE", f"/api/recording/{recording}")
    assert (await alice.ask("DELETE", "/api/me", {"password": "correct horse battery"}))[0] == 204
    assert not folder_of(house, recording).exists()
    assert await house.app[DB].run(lambda: (Row.select().count(), DiscardedFolder.select().count())) == (0, 0)


async def test_files_that_were_not_deleted_yet_are_deleted_at_the_next_start(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the rows and the files: the folders are noted in the rows' own transaction, and the next start knows them."""
    house = await open_house("same", recording=RecordingConfig(trash_days=0))
    alice = await house.user("alice")
    first, second = await ready(house, alice, seconds=1), await ready(house, alice, seconds=2)

    def killed(*_: object) -> list[str]:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(archives, "delete_files", killed)
        with pytest.raises(RuntimeError):
            await house.app[TIDYING].delete(1, first)
    half = folder_of(house, second).with_name(f".gone-{second}")
    await house.app[DB].run(trash.remove, 1, second)
    folder_of(house, second).rename(half)
    assert folder_of(house, first).exists() and await ids(alice) == []
    await house.close()
    house = await open_house("same", recording=RecordingConfig(trash_days=0))
    async with asyncio.timeout(30):
        while await house.app[DB].run(trash.discarded):
            await asyncio.sleep(0.02)
    assert not folder_of(house, first).exists() and not half.exists()


async def test_what_cannot_be_deleted_stays_noted(open_house: OpenHouse, tmp_path: Path) -> None:
    """A folder on which something is mounted, say: it is tried again until it is gone."""
    house = await open_house(recording=RecordingConfig(trash_days=0))
    alice = await house.user("alice")
    recording = await ready(house, alice, seconds=1)
    folder = folder_of(house, recording)
    mounted = folder / "mounted"
    mounted.mkdir()
    mount = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "none", str(mounted))
    assert await mount.wait() == 0
    await alice.ask("DELETE", f"/api/recording/{recording}")
    gone = folder.with_name(f".gone-{recording}")
    try:
        assert await house.app[DB].run(trash.discarded) == [f"recordings/{recording}"]
    finally:
        umount = await asyncio.create_subprocess_exec("umount", str(gone / "mounted"))
        assert await umount.wait() == 0
    await house.app[TIDYING].tidy()
    assert not gone.exists() and await house.app[DB].run(trash.discarded) == []


async def test_the_rows_know_the_time(house: House) -> None:
    """Of a database that never noted a trusted time, the newest time stamp; then the last one noted."""
    assert await house.app[DB].run(known_time.newest) is None
    before = datetime.now(UTC)
    await house.user("alice")
    known = await house.app[DB].run(known_time.newest)
    assert known is not None and before <= known <= datetime.now(UTC)
    noted = datetime(2020, 1, 1, tzinfo=UTC)
    await house.app[DB].run(known_time.accept, noted)
    assert await house.app[DB].run(known_time.newest) == noted
