"""Recordings in S3: moved when all of it is there, answered as before, deleted with their rows; and an S3 that fails at each of these."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from sfu.config.schema import RecordingConfig, StorageConfig
from tests.support.s3 import SECRET, S3Proxy
from tests.web.conftest import Guest, House, settings
from tests.web.on_both import on_sqlite
from tests.web.quiet import quiet
from tests.web.recordings.test_recordings import STARTED, folder_of, sound, tape, until
from web.app import make_app
from web.http.metrics import METRICS
from web.recordings import object_store, recording_files, uploads
from web.recordings.folders import FETCHED
from web.recordings.tidying import TIDYING

OpenStored = Callable[..., Awaitable[House]]
FILES = ["denoised.opus", "denoised.peaks", "heard.wav", "original.opus", "original.peaks", "spans.log"]
ANSWERS = ("", "?format=opus", "?variant=original&format=opus", "?variant=original", "?variant=both", "?variant=original&format=flac")


@pytest.fixture
async def open_stored(
    tmp_path: Path, database_of: Callable[[Path], str], s3_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenStored]:
    """Opens a server with S3, in the same folder each time. It tries again soon."""
    for name, value in (("LINGER_S", 0.0), ("FIRST_RETRY_S", 0.05), ("LAST_RETRY_S", 0.2), ("LOOK_S", 0.2)):
        monkeypatch.setattr(uploads, name, value)
    monkeypatch.setattr(object_store, "TRIES", 0)
    houses: list[House] = []

    async def start(url: str | None = None, **more: Any) -> House:
        path = tmp_path / "house"
        config = settings(path, database=database_of(path), **more)
        config = replace(config, storage=StorageConfig(path=path, s3_url=s3_proxy.url() if url is None else url))
        server = TestServer(make_app(config, media=quiet))
        await server.start_server()
        houses.append(House(server))
        return houses[-1]

    yield start
    s3_proxy.fault = None
    for house in houses:
        await house.close()


def figure(house: House, name: str, **labels: str) -> float:
    """A metric now."""
    samples = [each for source in house.app[METRICS] for each in source()]
    return float(next(each.value for each in samples if each.name == name and each.labels == labels))


async def moved(house: House, recording: int) -> None:
    """Wait until its files are in S3 alone."""
    async with asyncio.timeout(60):
        while folder_of(house, recording).exists():
            await asyncio.sleep(0.02)


async def eventually(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.02)


async def answers(guest: Guest, recording: int) -> list[tuple[int, bytes, Any]]:
    """All that is answered of a recording's sound, and parts of it."""
    whole = [await sound(guest, recording, query) for query in ANSWERS]
    parts = [await sound(guest, recording, query, Range="bytes=1000-200999") for query in ANSWERS[:4]]
    status, outline = await guest.ask("GET", f"/api/recording/{recording}/peaks?points=50")
    same = ("Content-Type", "Content-Range", "Content-Length", "Accept-Ranges")
    told = [(status, body, {name: found.get(name) for name in same}) for status, body, found in (*whole, *parts)]
    return [*told, (status, str(outline).encode(), None)]


async def refused(guest: Guest, recording: int, query: str) -> None:
    """It is answered 503 `storage_away`, with when to ask again."""
    answer = await guest.raw("GET", f"/api/recording/{recording}/{query}")
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (503, "storage_away")
    assert answer.headers["Retry-After"] == "10"


@on_sqlite
async def test_it_moves_and_sounds_as_before(open_stored: OpenStored, s3_proxy: S3Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """While S3 is away all is answered from the disk; then the files are in S3 as they were, gone here, and each answer is the same."""
    s3_proxy.fault = "busy"
    house = await open_stored()
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice")
    await until(alice, recording)
    folder = folder_of(house, recording)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert sorted(before) == FILES
    from_disk = await answers(alice, recording)
    await eventually(lambda: figure(house, "hushcast_s3_waiting") == 1)
    assert figure(house, "hushcast_s3_up") == 0 and folder.exists() and await s3_proxy.keys() == []
    ready = await alice.raw("GET", "/readyz")
    assert (ready.status, (await ready.text())[:16]) == (200, "ready, but s3://")
    said = [each.message for each in caplog.records if "recordings stay where they are" in each.message]
    assert said == [
        f"s3://{s3_proxy.bucket}/tapes at http://127.0.0.1:{s3_proxy.port}: {object_store.WHY['busy']}; recordings stay where they are"
    ]
    s3_proxy.fault = None
    await moved(house, recording)
    keys = await s3_proxy.keys()
    assert {key.rpartition("/")[2]: await s3_proxy.content(key) for key in keys} == before
    assert all(key.startswith(f"tapes/recordings/{recording}/") for key in keys)
    assert await answers(alice, recording) == from_disk
    assert (await sound(bob, recording))[:2] == from_disk[0][:2]
    await eventually(lambda: figure(house, "hushcast_s3_waiting_bytes") == 0)
    assert figure(house, "hushcast_s3_up") == 1 and figure(house, "hushcast_s3_uploads_total", outcome="stored") == 1
    assert figure(house, "hushcast_s3_bytes_total", way="written") == sum(map(len, before.values()))
    listed = await until(alice, recording)
    assert (await alice.ask("GET", "/api/storage"))[1]["used_bytes"] == listed["size_bytes"]
    assert SECRET not in caplog.text


@on_sqlite
async def test_a_download_goes_on_after_the_move(open_stored: OpenStored, s3_proxy: S3Proxy) -> None:
    """The ETag of a file stays, so what If-Range asks for is the rest of the same; 304, 416 and HEAD are as for files."""
    s3_proxy.fault = "cut"
    house = await open_stored()
    alice = await house.user("alice")
    recording = await tape(house, "alice")
    await until(alice, recording)
    _, whole, headers = await sound(alice, recording)
    s3_proxy.fault = None
    await moved(house, recording)
    status, rest, after = await sound(alice, recording, **{"Range": "bytes=100000-", "If-Range": headers["ETag"]})
    assert (status, rest, after["ETag"]) == (206, whole[100000:], headers["ETag"])
    assert (await sound(alice, recording, **{"If-None-Match": headers["ETag"]}))[0] == 304
    assert (await sound(alice, recording, Range="bytes=900000000-"))[0] == 416
    head = await alice.raw("HEAD", f"/api/recording/{recording}/audio")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole)))


@on_sqlite
async def test_what_is_not_there_as_a_whole_stays(open_stored: OpenStored, s3_proxy: S3Proxy) -> None:
    """An S3 that refuses, is busy, or gives back half of it or something else: the files stay and are answered."""
    s3_proxy.fault, s3_proxy.only = "refused", "heard.wav"
    house = await open_stored()
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    faults: list[tuple[Any, str, set[str]]] = [
        ("refused", "refused", {"PUT"}),
        ("busy", "busy", {"PUT"}),
        ("half", "cut_short", {"GET"}),
        ("altered", "wrong_checksum", {"GET"}),
    ]
    for fault, reason, methods in faults:
        s3_proxy.fault, s3_proxy.methods = fault, methods
        before = figure(house, "hushcast_s3_failures_total", reason=reason)
        await eventually(lambda: figure(house, "hushcast_s3_failures_total", reason=reason) >= before + 2)  # noqa: B023
        assert sorted(each.name for each in folder_of(house, recording).iterdir()) == FILES
        assert (await sound(alice, recording))[0] == 200
    assert figure(house, "hushcast_s3_uploads_total", outcome="stored") == 0
    s3_proxy.fault = None
    await moved(house, recording)
    assert (await sound(alice, recording))[0] == 200


@on_sqlite
async def test_there_is_no_such_bucket(open_stored: OpenStored, s3_proxy: S3Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """The server starts and records; one line says why nothing is moved."""
    house = await open_stored(s3_proxy.url(bucket="nobody-made-it"))
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    await eventually(lambda: figure(house, "hushcast_s3_uploads_total", outcome="failed") >= 3)
    assert len([each for each in caplog.records if "there is no such bucket" in each.message]) == 1
    assert (await sound(alice, recording))[0] == 200 and folder_of(house, recording).exists()


@on_sqlite
async def test_reading_from_a_bad_s3(open_stored: OpenStored, s3_proxy: S3Proxy) -> None:
    """What is in S3 alone is answered 503 `storage_away` while that fails, whichever way it is read, and again afterwards."""
    house = await open_stored()
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    await moved(house, recording)
    faults: list[Any] = ["refused", "busy", "half", "cut"]
    for s3_proxy.fault in faults:
        for query in ("audio", "audio?format=opus", "audio?variant=original", "audio?variant=both&format=flac", "peaks"):
            await refused(alice, recording, query)
    s3_proxy.fault = None
    assert [(await sound(alice, recording, query))[0] for query in ANSWERS] == [200] * len(ANSWERS)
    assert (await alice.ask("GET", f"/api/recording/{recording}/peaks"))[0] == 200


@on_sqlite
async def test_what_is_fetched_is_compared(open_stored: OpenStored, s3_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that is not as it was sent is not decoded, and not kept; one of another length is not sent. The cache is bounded."""
    house = await open_stored()
    alice = await house.user("alice")
    recording, other = [await tape(house, "alice", seconds=seconds) for seconds in (1, 2)]
    await moved(house, recording)
    await moved(house, other)
    s3_proxy.fault, s3_proxy.methods = "altered", {"GET"}
    await refused(alice, recording, "audio?variant=original")
    s3_proxy.fault = None
    assert (await sound(alice, recording, "?variant=original"))[0] == 200
    cache = Path(folder_of(house, recording).parents[1]) / FETCHED
    assert [each.name for each in sorted((cache / str(recording)).iterdir())] == ["original.opus"]
    asked = s3_proxy.asked["GET"]
    assert (await sound(alice, recording, "?variant=original"))[0] == 200 and s3_proxy.asked["GET"] == asked
    monkeypatch.setattr(recording_files, "CACHE_BYTES", 1)
    assert (await sound(alice, other, "?variant=original"))[0] == 200
    assert [each.name for each in cache.iterdir()] == [str(other)]


async def test_it_is_deleted_with_its_row(open_stored: OpenStored, s3_proxy: S3Proxy) -> None:
    """From the trash it comes back; what is deleted for good goes from S3 too, after an outage as well; and so does an account."""
    house = await open_stored(recording=RecordingConfig(trash_days=7))
    alice = await house.user("alice")
    first, second = [await tape(house, "alice", seconds=seconds) for seconds in (1, 2)]
    await moved(house, first)
    await moved(house, second)
    assert (await sound(alice, first, "?variant=original"))[0] == 200
    assert (await alice.ask("DELETE", f"/api/recording/{first}"))[0] == 204
    assert (await sound(alice, first))[0] == 404
    assert (await alice.ask("POST", f"/api/recording/{first}/restore"))[0] == 204
    assert (await sound(alice, first))[0] == 200 and len(await s3_proxy.keys()) == 2 * len(FILES)
    await house.close()
    house = await open_stored(recording=RecordingConfig(trash_days=0))
    alice = await signed_in(house, "alice")
    s3_proxy.fault = "busy"
    assert (await alice.ask("DELETE", f"/api/recording/{first}"))[0] == 204
    await asyncio.wait_for(s3_proxy.failing.wait(), 30)
    assert len(await s3_proxy.keys()) == 2 * len(FILES)
    s3_proxy.fault = None
    await until_keys(s3_proxy, len(FILES))
    cache = folder_of(house, first).parents[1] / FETCHED / str(first)
    assert not cache.exists() and (await sound(alice, second))[0] == 200
    assert (await alice.ask("DELETE", "/api/me", {"password": "correct horse battery"}))[0] == 204
    await until_keys(s3_proxy, 0)


@on_sqlite
async def test_what_has_no_files_does_not_wait(open_stored: OpenStored, s3_proxy: S3Proxy) -> None:
    """A recording that has lost its files is not counted as one that waits."""
    s3_proxy.fault = "busy"
    house = await open_stored()
    alice = await house.user("alice")
    kept, lost = [await tape(house, "alice", seconds=seconds) for seconds in (1, 2)]
    await until(alice, lost)
    await eventually(lambda: figure(house, "hushcast_s3_waiting") == 2)
    shutil.rmtree(folder_of(house, lost))
    s3_proxy.fault = None
    await moved(house, kept)
    await eventually(lambda: figure(house, "hushcast_s3_waiting") == 0)
    assert figure(house, "hushcast_s3_waiting_bytes") == 0


@on_sqlite
async def test_what_another_installation_has_is_left_alone(open_stored: OpenStored, s3_proxy: S3Proxy, tmp_path: Path) -> None:
    """With the same prefix and number: deleting a recording, in S3 or not, deletes what its own row names. What was sent in part of one
    that is deleted then goes, too.
    """
    s3_proxy.fault, s3_proxy.methods, s3_proxy.only = "busy", {"PUT"}, "spans.log"
    house = await open_stored(recording=RecordingConfig(trash_days=0))
    alice = await house.user("alice")
    first, second = [await tape(house, "alice", seconds=seconds) for seconds in (1, 2)]
    await until(alice, second)
    await asyncio.wait_for(s3_proxy.failing.wait(), 30)
    (tmp_path / "theirs").write_bytes(b"theirs")
    store = object_store.ObjectStore(s3_proxy.url())
    others = [f"recordings/{each}/theirs/original.opus" for each in (first, second)]
    for key in others:
        await store.put(key, tmp_path / "theirs", 6)
    assert (await alice.ask("DELETE", f"/api/recording/{second}"))[0] == 204
    s3_proxy.fault = None
    await moved(house, first)
    await until_keys(s3_proxy, len(FILES) + 2)
    assert (await alice.ask("DELETE", f"/api/recording/{first}"))[0] == 204
    await until_keys(s3_proxy, 2)
    assert await s3_proxy.keys() == [f"tapes/{key}" for key in others]


@on_sqlite
async def test_the_quota_counts_what_is_in_s3(open_stored: OpenStored, s3_proxy: S3Proxy) -> None:
    """The oldest goes, with its objects."""
    house = await open_stored(recording=RecordingConfig(quota_mb=1))
    alice = await house.user("alice")
    first, _, third = [await tape(house, "alice", started=STARTED + timedelta(days=day)) for day in range(3)]
    await moved(house, third)
    await house.app[TIDYING].tidy()
    kept = [row["id"] for row in (await alice.ask("GET", "/api/recordings"))[1]]
    assert first not in kept and third in kept
    await until_keys(s3_proxy, len(kept) * len(FILES))


@on_sqlite
async def test_what_is_cut_off_is_begun_anew(open_stored: OpenStored, s3_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends while it sends, and one that ends between the row and the files: the next start goes on. Deleted while it is
    sent: nothing stays.
    """
    s3_proxy.fault, s3_proxy.methods = "held", {"PUT"}
    s3_proxy.only = "original.opus"
    house = await open_stored(recording=RecordingConfig(trash_days=0))
    alice = await house.user("alice")
    recording, gone = [await tape(house, "alice", seconds=seconds) for seconds in (1, 2)]
    await until(alice, recording)
    await asyncio.wait_for(s3_proxy.failing.wait(), 30)
    await house.close()
    assert folder_of(house, recording).exists()
    monkeypatch.setattr(uploads, "LINGER_S", 600.0)
    s3_proxy.only = f"/recordings/{gone}/"
    s3_proxy.failing.clear()
    house = await open_stored(recording=RecordingConfig(trash_days=0))
    alice = await signed_in(house, "alice")
    await until(alice, gone)
    await asyncio.wait_for(s3_proxy.failing.wait(), 30)
    assert (await alice.ask("DELETE", f"/api/recording/{gone}"))[0] == 204
    s3_proxy.fault = None
    await until_keys(s3_proxy, len(FILES))
    await eventually(lambda: figure(house, "hushcast_s3_waiting") == 0)
    assert folder_of(house, recording).exists(), "it lingers"
    await house.close()
    house = await open_stored()
    await moved(house, recording)
    alice = await signed_in(house, "alice")
    assert (await sound(alice, recording))[0] == 200


@on_sqlite
async def test_s3_is_taken_away(open_stored: OpenStored, s3_proxy: S3Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """Without `storage.s3_url`, what is there is 503 `storage_away`, and what is deleted stays noted until S3 is set again."""
    house = await open_stored()
    await house.user("alice")
    kept, gone = [await tape(house, "alice", seconds=seconds) for seconds in (1, 2)]
    await moved(house, kept)
    await moved(house, gone)
    await house.close()
    house = await open_stored("", recording=RecordingConfig(trash_days=0))
    alice = await signed_in(house, "alice")
    await refused(alice, kept, "audio")
    assert "storage.s3_url is empty" in caplog.text
    assert (await alice.ask("DELETE", f"/api/recording/{gone}"))[0] == 204
    await house.app[TIDYING].tidy()
    await house.close()
    house = await open_stored()
    await until_keys(s3_proxy, len(FILES))
    alice = await signed_in(house, "alice")
    assert (await sound(alice, kept))[0] == 200


@on_sqlite
async def test_somebody_listens_while_it_moves(open_stored: OpenStored, s3_proxy: S3Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """Files that are being read stay until the reader has gone."""
    caplog.set_level(logging.INFO, "web.recordings.uploads")
    house = await open_stored()
    await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    files = house.app[recording_files.RECORDING_FILES]
    with files.using(str(recording)):
        await eventually(lambda: "are in S3" in caplog.text)
        await asyncio.sleep(0.5)
        assert folder_of(house, recording).exists()
    await moved(house, recording)


async def signed_in(house: House, username: str) -> Guest:
    guest = house.guest()
    assert (await guest.ask("POST", "/api/login", {"username": username, "password": "correct horse battery"}))[0] == 200
    return guest


async def until_keys(s3_proxy: S3Proxy, count: int) -> None:
    """Wait until the bucket has so many objects."""
    async with asyncio.timeout(60):
        while len(await s3_proxy.keys()) != count:
            await asyncio.sleep(0.05)
