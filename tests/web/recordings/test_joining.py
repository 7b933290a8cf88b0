"""Two servers' archives with one database: the parts of a recording are closed where they lie, and joined where the row is."""

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from db import epochs, recording_parts, recordings, trash, users
from db.connection import Database
from db.recording_parts import Takeover
from db.tables import Recording, RecordingPart, User, now
from sfu.config.schema import RecordingConfig
from sfu.recording.recorder import Recorder
from tests.support.spoken import packet, packets_of
from web.recordings import finalising, joining
from web.recordings.archive import Archive
from web.recordings.fence import NoFence
from web.recordings.part_files import PartAway, Pieces, Source
from workers.child import ChildFailed
from workers.recordings import opusfile

SECONDS = 6
WAIT_S = 60.0


class Epochs(NoFence):
    """What a server knows of its epochs."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def epoch_of(self, tape: str) -> int | None:
        return self.known.get(tape)


class Node:
    """One server: storage, epochs, and an archive while it is up. away: nothing of it can be had."""

    def __init__(self, name: str, storage: Path, database: Database) -> None:
        self.name, self.storage, self.database = name, storage, database
        self.fence, self.away = Epochs(), False
        self.files_asked = 0

    @asynccontextmanager
    async def up(self, *others: "Node") -> AsyncIterator[Archive]:
        parts = (self.database, self.storage, RecordingConfig())
        async with Archive(*parts, going_on=["air"], node=self.name, fence=self.fence) as archive:
            archive.parts.sources += [other.source() for other in others]
            yield archive

    def source(self) -> Source:
        """As another server asks for a file of this one's."""

        @asynccontextmanager
        async def read(part: RecordingPart, name: str) -> AsyncIterator[Pieces | None]:
            if self.away or part.node != self.name or part.folder is None:
                raise PartAway("away")
            self.files_asked += 1
            path = self.storage / part.folder / name
            yield self._pieces(path) if path.exists() else None

        return read

    async def _pieces(self, path: Path) -> Pieces:
        content = await asyncio.to_thread(path.read_bytes)
        for at in range(0, len(content), 5000):
            yield content[at : at + 5000]

    def folders(self) -> list[str]:
        return sorted(folder.name for folder in (self.storage / "recordings").iterdir())


@pytest.fixture
async def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Node, Node]]:
    monkeypatch.setattr("web.recordings.archive.LOOK_S", 0.05)
    monkeypatch.setattr(joining, "SOON_S", 0.1)
    monkeypatch.setattr(joining, "LATE_S", 0.2)
    async with Database(tmp_path / "x.db") as database:
        await database.run(users.create, "alice", "x")
        yield Node("a", tmp_path / "a", database), Node("b", tmp_path / "b", database)


async def write(folder: Path, numbers: range, *, killed: bool = False) -> Recorder:
    voice = packets_of(SECONDS)
    recorder = Recorder(folder)
    recorder.start()
    for number in numbers:
        recorder.original(packet(number, voice[number]))
        recorder.heard(packet(number, voice[number]), "denoised")
    if killed:
        await recorder.close(resumable=True)
    return recorder


async def taken_over(one: Node, two: Node) -> tuple[int, Path]:
    """alice's broadcast, recorded at `one`, which is killed, and gone on with at `two`. Returns the id and the folder there."""
    database = one.database
    alice: User = await database.read(users.find, "alice")
    first = await database.run(epochs.take, alice.id, "air")
    tape = await database.run(recordings.begin, "alice", "air", "T", now(), first, one.name)
    await write(one.storage / tape.folder, range(100), killed=True)
    epoch, found = await database.run(recording_parts.take_over, Takeover(alice.id, "air", "air", two.name, 2.5))
    assert found is not None
    one.fence.known["air"], two.fence.known["air"] = first, epoch
    return found.id, two.storage / found.folder


async def until(database: Database, recording: int, state: str, *, joined: bool) -> Recording:
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await database.read(recordings.find, recording)
            if found.state == state and recording_parts.is_joined(found) == joined:
                return found
            await asyncio.sleep(0.02)


async def test_what_is_away_is_joined_when_it_is_back(nodes: tuple[Node, Node]) -> None:
    """While the other server is away the recording has its length and says what is missing, and that it cannot be had is tried again;
    then both parts are one, and their files are gone everywhere. The recording stays live until its present server ends it.
    """
    one, two = nodes
    recording, folder = await taken_over(one, two)
    async with AsyncExitStack() as running:
        archive = await running.enter_async_context(two.up(one))
        archive.epochs.begun(recording, "air")
        recorder = await write(folder, range(150, 300))
        first = await running.enter_async_context(one.up(two))
        assert recording not in first.epochs.recordings
        async with asyncio.timeout(WAIT_S):
            while (await one.database.read(recording_parts.of_recordings, [recording]))[0].sha256 is None:
                await asyncio.sleep(0.02)
        assert (await one.database.read(recordings.find, recording)).state == "live"
        one.away = True
        await archive.finish(recording, await recorder.close())
        missing = await until(two.database, recording, "ready", joined=False)
        assert missing.duration_s == SECONDS and missing.spans[0] == {"from_s": 0.0, "to_s": 3.0, "kind": "gap", "reason": "node_away"}
        assert opusfile.length(folder / "original.opus") == SECONDS * 48_000
        one.away = False
        whole = await until(two.database, recording, "ready", joined=True)
        assert (whole.duration_s, whole.node, whole.variants) == (SECONDS, "b", ["original", "denoised"])
        assert whole.spans == [{"from_s": 2.0, "to_s": 3.0, "kind": "gap", "reason": "takeover"}] and whole.denoised_share == 1.0
        async with asyncio.timeout(WAIT_S):
            while one.folders() or two.folders() != [f"{recording}.whole1.b"]:
                await asyncio.sleep(0.02)
        size = sum(file.stat().st_size for file in (two.storage / whole.folder).iterdir())
        assert await one.database.read(recordings.used_bytes, whole.user_id) == whole.size_bytes == size
        assert [await one.database.read(trash.discarded, node) for node in "ab"] == [[], []]


async def test_a_part_that_is_not_what_was_closed_is_not_taken(nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture) -> None:
    """Altered on its server's disk: the recording stays as it is and says so; put back, it is joined, by the next run of the server too."""
    one, two = nodes
    recording, folder = await taken_over(one, two)
    async with one.up():
        async with asyncio.timeout(WAIT_S):
            while (await one.database.read(recording_parts.of_recordings, [recording]))[0].sha256 is None:
                await asyncio.sleep(0.02)
    lies = one.storage / f"recordings/{recording}"
    shutil.copytree(lies, kept := one.storage / "kept")
    with (lies / "original.opus").open("r+b") as file:
        file.seek(300)
        file.write(b"\0\0\0")
    async with two.up(one) as archive:
        archive.epochs.begun(recording, "air")
        recorder = await write(folder, range(150, 300))
        await archive.finish(recording, await recorder.close())
        await until(two.database, recording, "ready", joined=False)
        async with asyncio.timeout(WAIT_S):
            while caplog.text.count("differ from what was closed") < 2:  # tried again
                await asyncio.sleep(0.02)
    caplog.clear()
    (two.storage / "recordings" / f"{joining.HERE}{recording}" / "1").mkdir(
        parents=True, exist_ok=True
    )  # of a run that was killed meanwhile
    (two.storage / f"recordings/{recording}.whole1.b").mkdir()
    shutil.rmtree(lies)
    kept.rename(lies)
    async with two.up(one):
        await until(two.database, recording, "ready", joined=True)
        async with asyncio.timeout(WAIT_S):
            while two.folders() != [f"{recording}.whole1.b"]:
                await asyncio.sleep(0.02)


async def test_a_server_that_lost_its_broadcast_ends_nothing(nodes: tuple[Node, Node]) -> None:
    """It closes its files after the takeover, as after a standstill: they become a part. Without a packet since, the new owner's empty
    part changes nothing: the recording is what the first one has.
    """
    one, two = nodes
    database = one.database
    alice: User = await database.read(users.find, "alice")
    first = await database.run(epochs.take, alice.id, "air")
    one.fence.known["air"] = first
    tape = await database.run(recordings.begin, "alice", "air", "T", now(), first, "a")
    async with two.up(one) as archive, one.up(two) as stale:
        stale.epochs.begun(tape.id, "air")
        recorder = await write(one.storage / tape.folder, range(100))
        archive.epochs.begun(tape.id, "air")
        epoch, found = await database.run(recording_parts.take_over, Takeover(alice.id, "air", "air", "b", 2.5))
        assert found is not None
        two.fence.known["air"] = epoch
        await stale.finish(tape.id, await recorder.close())
        assert (await database.read(recordings.find, tape.id)).state == "live"
        await archive.give_up(tape.id)
        whole = await until(database, tape.id, "ready", joined=True)
        assert whole.duration_s == 2.0 and whole.variants == ["original", "denoised"] and whole.node == "b"


async def test_the_parts_stay_until_the_whole_can_be_played(nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was joined cannot be finalised, or does not reach the disk: the recording is ready with its own part, and the other part is
    kept for a later try.
    """
    one, two = nodes
    recording, folder = await taken_over(one, two)
    real, lost, tries = finalising.run_module, True, 0

    async def killed(module: str, *arguments: object) -> bytes:
        nonlocal tries
        if str(arguments[0]).endswith(".whole1.b"):
            tries += 1
            if lost and tries % 2:
                raise ChildFailed("killed")
        return await real(module, *arguments)

    def on_disk(_: Path) -> None:
        if lost:
            raise OSError(errno.EIO, "no")

    monkeypatch.setattr(finalising, "run_module", killed)
    monkeypatch.setattr(finalising, "on_disk", on_disk)
    async with one.up(two), two.up(one) as archive:
        archive.epochs.begun(recording, "air")
        recorder = await write(folder, range(150, 300))
        await archive.finish(recording, await recorder.close())
        async with asyncio.timeout(WAIT_S):
            while tries < 3:
                await asyncio.sleep(0.02)
        found = await until(two.database, recording, "ready", joined=False)
        assert found.duration_s == SECONDS and await one.database.read(trash.discarded, "a") == []
        assert {*await one.database.read(trash.discarded, "b")} <= {f"recordings/{recording}.whole1.b"}  # noted while it is being made
        assert one.folders() == [f"{recording}"] and folder.exists()
        lost = False
        whole = await until(two.database, recording, "ready", joined=True)
        assert whole.spans == [{"from_s": 2.0, "to_s": 3.0, "kind": "gap", "reason": "takeover"}] and whole.stats["failed"] is None
