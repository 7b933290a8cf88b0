"""Three servers with one database and one S3: the parts of a recording outlive their servers, and one that does not come back is not
waited for for ever."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from db import epochs, recording_parts, recordings, stored_folders, trash, users
from db.connection import Database
from db.recording_parts import Takeover
from db.tables import Recording, User, now
from sfu.config.schema import RecordingConfig
from tests.support.s3 import S3Proxy
from tests.support.spoken import packets_of
from tests.web.recordings.test_joining import SECONDS, Node, write
from web.recordings import heirs, joining, object_store, uploads
from web.recordings.archive import Archive
from web.recordings.object_store import ObjectStore
from web.recordings.recording_files import RecordingFiles
from web.recordings.sendings import SendingNotes
from web.recordings.stored_parts import in_s3
from web.recordings.uploads import Uploads
from workers.disk_room import DiskRoom
from workers.recordings import opusfile

FIRST, SECOND, THIRD = range(100), range(120, 200), range(220, 300)  # packets of 20 ms
LOST = {"from_s": 2.0, "to_s": 4.4, "kind": "gap", "reason": "node_away"}
SEAMS = [{"from_s": begin, "to_s": end, "kind": "gap", "reason": "takeover"} for begin, end in ((2.0, 2.4), (4.0, 4.4))]
FILES = 6  # of a recording that is ready
WAIT_S = 120.0  # children give way to all else
SEED, TRIES = 7, 12


class House:
    """Servers a, b and c, and what they have in common."""

    def __init__(self, database: Database, folder: Path, s3: S3Proxy) -> None:
        self.database, self.folder, self.s3 = database, folder, s3
        self.nodes = [Node(name, folder / name, database) for name in "abc"]
        self.away: set[str] = set()  # servers that are known to be

    @asynccontextmanager
    async def up(self, node: Node) -> AsyncIterator[Archive]:
        """A server with its archive and uploads, as the app puts them together."""
        store, wanted = ObjectStore(self.s3.url()), asyncio.Event()
        files = RecordingFiles(self.database, node.storage, DiskRoom(node.storage, 0), store)
        archive = Archive(self.database, node.storage, RecordingConfig(), going_on=["air"], node=node.name, fence=node.fence)
        archive.elsewhere, archive.parts.using, archive.parts.is_away = wanted, files.using, lambda name: name in self.away
        archive.parts.sources.append(in_s3(self.database, files))
        async with archive, Uploads(self.database, node.storage, node.name, DiskRoom(node.storage, 0), store, files, wanted):
            yield archive

    async def begun(self, node: Node, numbers: range) -> int:
        """alice's broadcast is recorded at a server, which is killed then. The id of the recording."""
        alice: User = await self.database.read(users.find, "alice")
        node.fence.known["air"] = epoch = await self.database.run(epochs.take, alice.id, "air")
        tape = await self.database.run(recordings.begin, "alice", "air", "T", now(), epoch, node.name)
        await write(node.storage / tape.folder, numbers, killed=True)
        return int(tape.id)

    async def gone_on(self, node: Node, numbers: range) -> None:
        """It goes on at another one, which is killed then."""
        alice: User = await self.database.read(users.find, "alice")
        taken = Takeover(alice.id, "air", "air", node.name, numbers.start * 0.02)
        node.fence.known["air"], found = await self.database.run(recording_parts.take_over, taken)
        assert found is not None
        await write(node.storage / found.folder, numbers, killed=True)

    async def closed(self, node: Node, recording: int, place: int) -> None:
        """The server comes back, closes its part, the one at this place of all, and is gone before that is sent."""
        self.s3.fault, self.s3.methods = "busy", {"PUT"}
        async with self.up(node), asyncio.timeout(WAIT_S):
            while (await self.database.read(recording_parts.of_recordings, [recording]))[place].sha256 is None:
                await asyncio.sleep(0.02)
        self.s3.fault = None

    async def until(self, recording: int, spans: Sequence[dict[str, Any]], *, stored: bool = True) -> Recording:
        """Wait until it is ready with these spans, and in S3 alone, where there is nothing else."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await self.database.read(recordings.find, recording)
                if found.state == "ready" and list(found.spans) == list(spans):
                    here = [node for node in self.nodes if (node.storage / found.folder).exists()]
                    if not stored or (len(await self.s3.keys()) == FILES and not here):
                        return found
                await asyncio.sleep(0.02)

    async def until_nothing_is_left(self, *names: str) -> None:
        """Wait until these servers have no files of recordings, and nothing to delete."""
        nodes = [node for node in self.nodes if node.name in names]
        async with asyncio.timeout(WAIT_S):
            while any([node.folders() or await self.database.read(trash.discarded, node.name) for node in nodes]):
                await asyncio.sleep(0.02)

    async def heard(self, recording: Recording) -> list[int]:
        """The numbers of the packets that are in S3, each at its place and as it was."""
        found = {}
        for variant in ("original.opus", "denoised.opus"):
            [key] = [key for key in await self.s3.keys() if key.endswith(variant)]
            assert key.startswith(f"tapes/{recording.folder}/")
            (self.folder / variant).write_bytes(await self.s3.content(key))
            assert opusfile.length(self.folder / variant) == round(recording.duration_s * 48_000)
            packets = [each for each in opusfile.packets_from(self.folder / variant, 0) if len(each[1]) > 1]
            found[variant] = [(time + opusfile.PRE_SKIP) // 960 for time, _ in packets]
            voice = packets_of(SECONDS)
            assert [payload for _, payload in packets] == [voice[number] for number in found[variant]]
        assert found["original.opus"] == found["denoised.opus"]
        return found["original.opus"]


@pytest.fixture
async def house(tmp_path: Path, s3_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr("web.recordings.archive.LOOK_S", 0.05)
    for module, name, value in (
        (joining, "SOON_S", 0.1),
        (joining, "LATE_S", 0.2),
        (heirs, "LOOK_S", 0.0),
        (heirs, "AWAY_S", 600.0),
        (uploads, "LINGER_S", 0.0),
        (uploads, "FIRST_RETRY_S", 0.05),
        (uploads, "LAST_RETRY_S", 0.2),
        (uploads, "LOOK_S", 0.2),
        (object_store, "TRIES", 0),
    ):
        monkeypatch.setattr(module, name, value)
    async with Database(tmp_path / "x.db") as database:
        await database.run(users.create, "alice", "x")
        yield House(database, tmp_path, s3_proxy)
        s3_proxy.fault = None


async def test_a_part_that_never_comes_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed parts go to S3 at once, so the first server's is heard although its disk is gone; what the second one has is not waited for
    longer than AWAY_S: silence that says why. When that server is back after all, the recording is joined anew.
    """
    a, b, c = house.nodes
    recording = await house.begun(a, FIRST)
    await house.gone_on(b, SECOND)
    await house.gone_on(c, THIRD)
    async with house.up(a):
        async with asyncio.timeout(WAIT_S):
            while len(await house.s3.keys()) != 3 or (a.storage / f"recordings/{recording}").exists():
                await asyncio.sleep(0.02)
        assert (await house.database.read(recordings.find, recording)).state == "live"
    shutil.rmtree(a.storage)
    async with house.up(c) as archive:
        await archive.give_up(recording)
        alone = await house.until(recording, [{**LOST, "from_s": 0.0}], stored=False)
        assert not recording_parts.is_joined(alone) and alone.duration_s == SECONDS
        async with asyncio.timeout(WAIT_S):
            while len(await house.s3.keys()) != 3 + FILES:  # any server plays what there is
                await asyncio.sleep(0.02)
        monkeypatch.setattr(heirs, "AWAY_S", 0.0)
        some = await house.until(recording, [LOST])
        assert await house.heard(some) == [*FIRST, *THIRD] and some.duration_s == SECONDS and some.denoised_share == 1.0
        [listed] = await house.database.read(recordings.of_user, 1, 9)
        assert [(part.node, part.to_s is None) for part in listed.parts] == [("a", False), ("b", True), ("c", False)]
        async with house.up(b):
            whole = await house.until(recording, SEAMS)
            assert await house.heard(whole) == [*FIRST, *SECOND, *THIRD]
            assert whole.size_bytes == await house.database.read(recordings.used_bytes, 1)
            assert await house.database.read(recording_parts.bytes_apart, recording) == 0
            await house.until_nothing_is_left("b", "c")


async def test_a_closed_part_that_nobody_can_fetch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed, but not sent before its server was gone: the others are joined without it, and with it when it is back."""
    a, b, c = house.nodes
    recording = await house.begun(a, FIRST)
    await house.gone_on(b, SECOND)
    await house.gone_on(c, THIRD)
    await house.closed(a, recording, 0)
    async with house.up(b), house.up(c) as archive:
        await archive.give_up(recording)
        await house.until(recording, [{**LOST, "from_s": 0.0}], stored=False)
        monkeypatch.setattr(heirs, "AWAY_S", 0.0)
        some = await house.until(recording, [{**LOST, "from_s": 0.0, "to_s": 2.4}, SEAMS[1]])
        assert await house.heard(some) == [*SECOND, *THIRD]
        async with house.up(a):
            whole = await house.until(recording, SEAMS)
            assert await house.heard(whole) == [*FIRST, *SECOND, *THIRD]
            await house.until_nothing_is_left("a", "b", "c")


async def test_an_altered_part_is_left_out(house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What a disk has spoilt is never joined; it is waited for like a part that is away, and the others are joined without it."""
    a, b, c = house.nodes
    recording = await house.begun(a, FIRST)
    await house.gone_on(b, SECOND)
    await house.gone_on(c, THIRD)
    await house.closed(b, recording, 1)
    [spoilt] = b.storage.glob("recordings/*/original.opus")
    with spoilt.open("r+b") as file:
        file.seek(200)
        file.write(b"\0")
    async with house.up(a), house.up(b), house.up(c) as archive:
        await archive.give_up(recording)
        await asyncio.sleep(0.5)
        monkeypatch.setattr(heirs, "AWAY_S", 0.0)
        some = await house.until(recording, [LOST], stored=False)
        assert recording_parts.is_joined(some) and some.duration_s == SECONDS
        assert await house.database.read(recording_parts.bytes_apart, recording) > 0  # it stays as it is
        assert "differ from what was closed" in caplog.text


@pytest.mark.parametrize("ended", [False, True])
async def test_the_server_with_the_row_never_comes_back(house: House, monkeypatch: pytest.MonkeyPatch, ended: bool) -> None:
    """Whether the recording is still live there, or ready with what it has, on that server's disk: another server takes the row when that
    one has been away for AWAY_S, and not before. Back, it has a part like any other.
    """
    a, b, _ = house.nodes
    recording = await house.begun(a, FIRST)
    await house.gone_on(b, SECOND)
    if ended:
        house.s3.fault, house.s3.methods = "busy", {"PUT"}
        async with house.up(b) as archive:
            await archive.give_up(recording)
            await house.until(recording, [{**LOST, "from_s": 0.0, "to_s": 2.4}], stored=False)
        house.s3.fault = None
    house.away = {"b"}
    async with house.up(a):
        async with asyncio.timeout(WAIT_S):
            while len(await house.s3.keys()) != 3:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        assert (await house.database.read(recordings.find, recording)).node == "b"
        monkeypatch.setattr(heirs, "AWAY_S", 0.0)
        some = await house.until(recording, [{**LOST, "to_s": 4.0}] if ended else [])
        assert await house.heard(some) == [*FIRST] and (some.node, some.duration_s) == ("a", 4.0 if ended else 2.0)
        async with house.up(b):
            whole = await house.until(recording, SEAMS[:1])
            assert await house.heard(whole) == [*FIRST, *SECOND] and (whole.node, whole.duration_s) == ("a", 4.0)


async def test_the_last_server_is_gone_and_its_part_is_in_s3(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then all of it is joined by the server that comes back."""
    a, b, _ = house.nodes
    recording = await house.begun(a, FIRST)
    await house.gone_on(b, SECOND)
    async with house.up(b) as archive:
        await archive.give_up(recording)
        await house.until(recording, [{**LOST, "from_s": 0.0, "to_s": 2.4}])
    shutil.rmtree(b.storage)
    monkeypatch.setattr(heirs, "AWAY_S", 0.0)
    house.away = {"b"}
    async with house.up(a):
        whole = await house.until(recording, SEAMS[:1])
        assert await house.heard(whole) == [*FIRST, *SECOND] and whole.node == "a"


async def test_it_is_deleted_in_pieces(house: House) -> None:
    """While parts of it are in S3, at a server, and at one that is away: nothing of it stays anywhere once that is back."""
    a, b, c = house.nodes
    recording = await house.begun(a, FIRST)
    await house.gone_on(b, SECOND)
    await house.gone_on(c, THIRD)
    async with house.up(a), house.up(c) as archive:
        await archive.give_up(recording)
        await house.until(recording, [{**LOST, "from_s": 0.0}], stored=False)
        async with asyncio.timeout(WAIT_S):
            while len(await house.s3.keys()) != 3 + FILES:
                await asyncio.sleep(0.02)
        await archive.forget(await house.database.run(trash.remove_of, 1))
        async with house.up(b):
            await house.until_nothing_is_left("a", "b", "c")
            assert await house.s3.keys() == []


async def test_what_a_kill_has_cut_off_is_deleted(house: House) -> None:
    """A server ends while it sends a part, and another one joins the part from the files. Back, it deletes what it had sent; what a server
    had noted in the database just before its end stays.
    """
    a, b, _ = house.nodes
    recording = await house.begun(a, FIRST)
    await house.gone_on(b, SECOND)
    house.s3.fault, house.s3.methods, house.s3.only = "held", {"PUT"}, "spans.log"
    async with house.up(a):
        await asyncio.wait_for(house.s3.failing.wait(), WAIT_S)
    house.s3.fault = None
    assert len(await house.s3.keys()) >= 2
    async with house.up(b) as archive:
        archive.parts.sources.append(a.source())
        await archive.give_up(recording)
        async with asyncio.timeout(WAIT_S):
            while (stored := await house.database.read(stored_folders.find, f"recordings/{recording}.whole1.b")) is None:
                await asyncio.sleep(0.02)
    SendingNotes(b.storage).add(stored.folder, stored.place)
    assert len(await house.s3.keys()) > FILES
    async with house.up(a), house.up(b):
        whole = await house.until(recording, SEAMS[:1])
        await house.until_nothing_is_left("a", "b")
        assert await house.heard(whole) == [*FIRST, *SECOND]


async def test_servers_that_end_at_any_moment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three end and begin at any time, together or not, are taken for away though they are there, S3 comes and goes, and nothing is
    waited for: in the end the recording has every packet, once, and nothing else is left.
    """
    monkeypatch.setattr(heirs, "AWAY_S", 0.0)
    chance = random.Random(SEED)
    recording = await house.begun(house.nodes[0], FIRST)
    await house.gone_on(house.nodes[1], SECOND)
    await house.gone_on(house.nodes[2], THIRD)
    for _ in range(TRIES):
        up = [node for node in house.nodes if chance.random() < 0.6]
        house.away = {node.name for node in house.nodes if chance.random() < (0.2 if node in up else 0.7)}
        house.s3.fault = chance.choice((None, None, None, "busy", "half"))
        async with AsyncExitStack() as running:
            for node in up:
                await running.enter_async_context(house.up(node))
            await asyncio.sleep(chance.random())
    house.away, house.s3.fault = set(), None
    async with AsyncExitStack() as running:
        archives = {node.name: await running.enter_async_context(house.up(node)) for node in house.nodes}
        if (found := await house.database.read(recordings.find, recording)).state == "live":
            await archives[found.node].give_up(recording)
        whole = await house.until(recording, SEAMS)
        assert await house.heard(whole) == [*FIRST, *SECOND, *THIRD]
        await house.until_nothing_is_left("a", "b", "c")
