"""Files of a recording's parts over signed requests: node a fetches what node b has closed."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from db import epochs, recording_parts, recordings, users
from db.connection import Database
from db.recording_parts import Closed, Takeover
from db.tables import RecordingPart, User, now
from sfu.config.schema import RecordingConfig
from sfu.standstill import StandstillDetector
from tests.web.nodes.test_signed_requests import SECRET
from web.http.problems import failures
from web.http.timeouts import STANDSTILL
from web.keys import DB, NODE
from web.nodes import handshake
from web.nodes.gate import GATE, Gate, greet, let_in
from web.nodes.peers import NodeClient
from web.nodes.signed_requests import NodeLife
from web.recordings.archive import ARCHIVE, Archive
from web.recordings.part_files import PartFiles
from web.signalling.parts_elsewhere import PART, other_nodes, part_file
from web.signalling.proxying import NODE_CLIENT

SOUND = bytes(range(256)) * 1000


class Setting(NamedTuple):
    """Node a's files with node b as source, the database of both, and where b's part lies and answers."""

    files: PartFiles
    database: Database
    recording: int
    folder: Path
    url: str

    async def part(self) -> RecordingPart:
        return (await self.database.read(recording_parts.of_recordings, [self.recording]))[0]

    async def closed(self, size: int) -> None:
        await self.database.run(recording_parts.close, (await self.part()).id, Closed(0.0, 1.0, "ab" * 32, size))


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    """alice's broadcast was at b, and is taken over by a."""
    async with Database(tmp_path / "x.db") as database, Archive(database, tmp_path / "b", RecordingConfig()) as archive:
        archive.parts = PartFiles(tmp_path / "b", "b")
        alice: User = await database.run(users.create, "alice", "x")
        epoch = await database.run(epochs.take, alice.id, "air")
        tape = await database.run(recordings.begin, "alice", "air", None, now(), epoch, "b")
        await database.run(recording_parts.take_over, Takeover(alice.id, "air", "air", "a", 1.0))
        folder = tmp_path / "b" / f"recordings/{tape.id}"
        folder.mkdir(parents=True)
        (folder / "original.opus").write_bytes(SOUND)
        (folder / "spans.log").write_bytes(b"0 clean -\n")
        app = web.Application(middlewares=[failures, let_in])
        app[GATE], app[STANDSTILL], app[DB], app[ARCHIVE] = Gate(NodeLife("b", "boot"), SECRET), StandstillDetector(), database, archive
        app.router.add_get(handshake.PATH, greet)
        app.router.add_get(f"{PART}{{id}}/{{name}}", part_file)
        async with TestServer(app, host="127.0.0.1") as server:
            url = str(server.make_url("")).rstrip("/")
            async with NodeClient(NodeLife("a", "boot"), SECRET, {"b": url}.get) as client:
                files = PartFiles(tmp_path / "a", "a")
                mine: dict[Any, Any] = {NODE: "a", NODE_CLIENT: client}
                files.sources.append(other_nodes(cast(web.Application, mine)))
                yield Setting(files, database, tape.id, folder, url)


async def test_a_closed_part_is_fetched(setting: Setting, tmp_path: Path) -> None:
    """As it lies there, without what it has not; what lay in the way is gone. At its own node nothing is copied."""
    await setting.closed(len(SOUND) + 10)
    part, into = await setting.part(), tmp_path / "into"
    into.mkdir()
    (into / "denoised.opus").write_bytes(b"old")
    assert await setting.files.found(part, "recordings/own", into, ExitStack()) == into
    assert {file.name: file.read_bytes() for file in into.iterdir()} == {"original.opus": SOUND, "spans.log": b"0 clean -\n"}
    assert await PartFiles(tmp_path / "b", "b").found(part, "recordings/own", tmp_path / "unused", ExitStack()) == setting.folder
    assert not (tmp_path / "unused").exists()


async def test_what_is_not_given(setting: Setting, tmp_path: Path) -> None:
    """A part that is not closed, one that is longer than it was closed, one whose files are gone; and anything to who is no node."""
    into = tmp_path / "into"
    assert await setting.files.found(await setting.part(), "recordings/own", into, ExitStack()) is None
    await setting.closed(len(SOUND))
    part = await setting.part()
    assert await setting.files.found(part, "recordings/own", into, ExitStack()) is None
    setting.folder.rename(tmp_path / "elsewhere")
    assert await setting.files.found(part, "recordings/own", into, ExitStack()) is None
    part.node = "a"  # lost here
    assert await setting.files.found(part, "recordings/own", into, ExitStack()) is None
    async with aiohttp.ClientSession() as http, http.get(f"{setting.url}{PART}{part.id}/original.opus") as answer:
        assert answer.status == 403
