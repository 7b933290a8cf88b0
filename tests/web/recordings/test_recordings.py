"""Recordings over HTTP: from the first packet of a broadcast to any byte of any form of it."""

import asyncio
import io
import json
import shutil
import socket
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp import AddrInfoType, ClientError, ClientSession, TCPConnector

from db import chapters
from sfu.config.schema import RecordingConfig
from sfu.recording.recorder import Recorder, Totals
from tests.support.spoken import packet, packets_of
from tests.web.conftest import Guest, House, OpenHouse
from tests.web.on_both import on_sqlite
from web.errors import TooMany
from web.http import timeouts
from web.keys import CONFIG
from web.recordings import transcoding
from web.recordings.archive import ARCHIVE
from web.recordings.transcoding import MOST_OF_ONE, SMALLEST, TRANSCODING
from workers.child import ChildFailed
from workers.recordings import wav

STARTED = datetime(2026, 3, 1, 20, 15, 30, tzinfo=UTC)
SECONDS = 4


async def tape(house: House, username: str, *, seconds: int = SECONDS, denoised: bool = True, started: datetime = STARTED) -> int:
    """What a broadcast does with its recording: row, files, end. Returns the id."""
    archive, voice = house.app[ARCHIVE], packets_of(SECONDS)
    recording, folder = await archive.begin(username, f"{username}-{started}-{seconds}", "a title", started)
    async with Recorder(folder) as recorder:
        for number in range(seconds * 50):
            recorder.original(packet(number, voice[number % len(voice)]))
            recorder.heard(packet(number, voice[number % len(voice)]), "denoised" if denoised and number > 9 else "original")
        await archive.finish(recording, await recorder.close())
    return int(recording)


async def until(guest: Guest, recording: int, state: str = "ready") -> dict[str, Any]:
    """The recording as the list has it, once it is in that state."""
    async with asyncio.timeout(60):
        while True:
            _, listed = await guest.ask("GET", "/api/recordings")
            found: dict[str, Any] = next(each for each in listed if each["id"] == recording)
            if found["state"] == state:
                return found
            await asyncio.sleep(0.05)


async def sound(guest: Guest, recording: int, query: str = "", **headers: str) -> tuple[int, bytes, Any]:
    url = guest.server.make_url(f"/api/recording/{recording}/audio{query}")
    async with guest.session.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_a_broadcast_becomes_a_recording(house: House) -> None:
    """It is listed as finalising at once and ready soon, with its true length, variants and size; a friend sees it too."""
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice")
    _, listed = await alice.ask("GET", "/api/recordings")
    assert listed[0]["state"] in ("finalising", "ready")
    found = await until(alice, recording)
    size = sum(file.stat().st_size for file in folder_of(house, recording).iterdir())
    assert found == {
        "id": recording,
        "username": "alice",
        "title": "a title",
        "state": "ready",
        "started_at": "2026-03-01T20:15:30.000Z",
        "duration_s": SECONDS,
        "denoised": True,
        "variants": ["original", "denoised"],
        "size_bytes": size,
        "chapters": [],
        "stats": {"packets": SECONDS * 50, "dropped": 0, "late": 0, "failed": None},
        "spans": [{"from_s": 0.0, "to_s": 0.2, "kind": "bypass", "reason": None}],
        "denoised_share": 0.95,
        "parts": [],
    }
    assert (await bob.ask("GET", "/api/recordings/alice")) == (200, [found])
    assert (await alice.ask("GET", "/api/storage")) == (200, {"used_bytes": size, "quota_bytes": None, "keep_days": None})


def folder_of(house: House, recording: int) -> Path:
    return Path(house.app[ARCHIVE]._storage) / "recordings" / str(recording)


async def test_who_may_hear(house: House) -> None:
    """Only friends and the user; titles and deletion are the user's alone."""
    alice, bob = await house.friends("alice", "bob")
    carol, nobody = await house.user("carol"), house.guest()
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    for path in ("/api/recordings/alice", f"/api/recording/{recording}/audio", f"/api/recording/{recording}/peaks"):
        assert [(await guest.raw("GET", path)).status for guest in (alice, bob, carol, nobody)] == [200, 200, 403, 401]
    for method in ("PATCH", "DELETE"):
        for guest, code in ((bob, "not_allowed"), (nobody, "not_signed_in")):
            assert (await guest.ask(method, f"/api/recording/{recording}", {"title": "x"}))[1]["code"] == code
    assert (await alice.ask("PATCH", f"/api/recording/{recording}", {"title": "Monday"}))[1]["title"] == "Monday"
    assert (await alice.ask("PATCH", f"/api/recording/{recording}", {"title": 7}))[0] == 422
    assert (await alice.ask("GET", "/api/recordings/nobody"))[1]["code"] == "no_such_user"
    assert (await alice.ask("GET", "/api/recording/999/audio"))[0] == 404


async def test_deleting(open_house: OpenHouse) -> None:
    """Where nothing is kept in the trash the row and the files go at once; while it is live it cannot be deleted."""
    house = await open_house(recording=RecordingConfig(trash_days=0))
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    assert (await alice.ask("DELETE", f"/api/recording/{recording}"))[0] == 204
    assert (await alice.ask("GET", "/api/recordings"))[1] == (await alice.ask("GET", "/api/trash"))[1] == []
    assert not folder_of(house, recording).exists()
    assert (await alice.ask("POST", f"/api/recording/{recording}/restore"))[1]["code"] == "not_found"
    live, _ = await house.app[ARCHIVE].begin("alice", "now", None, datetime.now(UTC))
    status, answer = await alice.ask("DELETE", f"/api/recording/{live}")
    assert (status, answer["code"]) == (409, "still_live") and answer["detail"] != answer["title"]
    status, answer = await alice.ask("GET", f"/api/recording/{live}/peaks")
    assert (status, answer["code"]) == (409, "not_ready")
    assert (await alice.ask("GET", f"/api/recording/{live}/audio"))[0] == 404


@on_sqlite
async def test_what_was_made_of_a_recording_goes_with_it(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is just being made, and what a killed server left of it: the sound is nowhere when it is deleted."""
    house = await open_house("kept", recording=RecordingConfig(trash_days=0))
    made = house.app[CONFIG].storage.path / transcoding.MADE
    alice = await house.user("alice")
    first, second = await tape(house, "alice", seconds=1), await tape(house, "alice", seconds=2)
    for recording in (first, second):
        await until(alice, recording)
    assert (await sound(alice, first, "?format=flac"))[0] == 200
    assert len(list(made.iterdir())) == 1
    assert (await alice.ask("DELETE", f"/api/recording/{first}"))[0] == 204
    assert not list(made.iterdir())
    running = transcoding.run_module

    async def overtaken(module: str, *arguments: object) -> bytes:
        said = await running(module, *arguments)
        assert (await alice.ask("DELETE", f"/api/recording/{second}"))[0] == 204
        return said

    monkeypatch.setattr(transcoding, "run_module", overtaken)
    assert (await sound(alice, second, "?format=flac"))[0] == 404
    assert not list(made.iterdir())
    await house.close()
    (made / f"{second}-original-9.flac").write_bytes(b"sound")
    await open_house("kept")
    assert not list(made.iterdir())


@on_sqlite
@pytest.mark.parametrize(
    "query, channels, is_file", [("?format=wav", 1, True), ("?variant=original", 1, False), ("?variant=both", 2, False)]
)
async def test_wav_of_every_variant_whole_and_in_ranges(house: House, query: str, channels: int, is_file: bool) -> None:
    """File or view: the header tells the length, and every range is that stretch of the whole."""
    alice = await house.user("alice")
    recording = await tape(house, "alice")
    await until(alice, recording)
    status, whole, headers = await sound(alice, recording, query)
    assert (status, len(whole), headers["Content-Type"]) == (200, wav.size(SECONDS * 48_000, channels), "audio/wav")
    assert headers["Accept-Ranges"] == "bytes"
    with wave.open(io.BytesIO(whole)) as file:
        assert (file.getnchannels(), file.getnframes()) == (channels, SECONDS * 48_000)
    size = len(whole)
    for asked, start, stop in (
        ("bytes=0-", 0, size),
        ("bytes=0-0", 0, 1),
        ("bytes=40-50", 40, 51),
        ("bytes=-1000", size - 1000, size),
        (f"bytes={size - 5}-{size + 5}", size - 5, size),
        (f"bytes=100001-{100_001 + SMALLEST}", 100_001, min(size, 100_002 + SMALLEST)),
    ):
        status, part, headers = await sound(alice, recording, query, Range=asked)
        assert (status, headers["Content-Range"]) == (206, f"bytes {start}-{stop - 1}/{size}")
        assert part == whole[start:stop] and int(headers["Content-Length"]) == len(part)
    for beyond in (f"bytes={size}-", "bytes=-0"):
        status, said, headers = await sound(alice, recording, query, Range=beyond)
        assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
        assert json.loads(said)["code"] == "no_such_range"


WHOLE = (
    "seconds=0-1",
    "bytes=0-1,4-5",
    "bytes=0-1, -5",
    "bytes=a-b",
    "bytes=-",
    "bytes=5-2",
    "bytes",
    "bytes=1-2-3",
    "0-1",
    "bytes=\u0661-2",
    "",
)


@on_sqlite
@pytest.mark.parametrize("query", ["", "?variant=original", "?variant=both", "?format=opus", "?format=flac"])
async def test_what_is_no_single_range_of_what_there_is(house: House, query: str) -> None:
    """Other units, several ranges, rubbish and a stale If-Range are answered with the whole; so is HEAD, whatever it asks for."""
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    path = f"/api/recording/{recording}/audio{query}"
    status, whole, headers = await sound(alice, recording, query)
    assert status == 200 and headers["Accept-Ranges"] == "bytes"
    for asked in WHOLE:
        status, said, answered = await sound(alice, recording, query, Range=asked)
        assert (status, said == whole, "Content-Range" in answered) == (200, True, False), asked
    for asked in ("Bytes=2-3", "bytes = 2 - 3", "bytes=2-3,", "bytes=0002-3"):
        assert (await sound(alice, recording, query, Range=asked))[:2] == (206, whole[2:4]), asked
    assert (await sound(alice, recording, query, Range=f"bytes=2-{'9' * 5000}"))[:2] == (206, whole[2:])
    assert (await sound(alice, recording, query, Range=f"bytes={'9' * 5000}-"))[0] == 416
    tag = headers["ETag"]
    for fresh in [tag, *(headers[name] for name in ("Last-Modified",) if name in headers)]:
        assert (await sound(alice, recording, query, **{"Range": "bytes=5-9", "If-Range": fresh}))[:2] == (206, whole[5:10]), fresh
    for odd in ('"old"', f"W/{tag}", tag.strip('"'), "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "rubbish", ""):
        for asked in ("bytes=5-9", f"bytes={len(whole)}-"):
            assert (await sound(alice, recording, query, **{"Range": asked, "If-Range": odd}))[:2] == (200, whole), odd
    for asked in (*WHOLE, "bytes=0-1", f"bytes={len(whole)}-"):
        answer = await alice.raw("HEAD", path, headers={"Range": asked})
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(whole))), asked
    assert (await sound(alice, recording, query, **{"If-None-Match": tag}))[:2] == (304, b"")
    assert (await sound(alice, recording, query, **{"If-None-Match": '"old"', "Cookie2": "\udce4"}))[:2] == (200, whole)


@on_sqlite
async def test_both_has_the_original_on_the_left(house: House) -> None:
    """The two channels are the two variants."""
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    forms = [(await sound(alice, recording, f"?variant={variant}"))[1][44:] for variant in ("original", "denoised", "both")]
    left, right, both = (np.frombuffer(form, "<i2") for form in forms)
    assert (both.reshape(-1, 2) == np.stack([left, right], axis=1)).all()


@on_sqlite
@pytest.mark.parametrize("variant, channels", [("original", 1), ("both", 2)])
@pytest.mark.parametrize("form", ["flac", "opus"])
async def test_other_forms(house: House, form: str, variant: str, channels: int) -> None:
    """FLAC and Opus decode to the recording's length, are made once, and answer ranges."""
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=2)
    await until(alice, recording)
    query = f"?variant={variant}&format={form}&download=1"
    answers = await asyncio.gather(*(sound(alice, recording, query) for _ in range(3)))
    status, whole, headers = answers[0]
    assert status == 200 and all(answer[1] == whole for answer in answers)
    assert headers["Content-Disposition"] == f'attachment; filename="alice_20260301-201530.{form}"'
    with av.open(io.BytesIO(whole)) as file:
        assert file.streams.audio[0].layout.nb_channels == channels
        assert sum(frame.samples for frame in file.decode(file.streams.audio[0])) == 96_000
    status, part, again = await sound(alice, recording, query, Range="bytes=10-19")
    assert (status, part, again["ETag"]) == (206, whole[10:20], headers["ETag"])


@on_sqlite
async def test_what_is_not_there_or_not_known(house: House) -> None:
    """A recording that was never denoised has no such variant; unknown words are told field by field."""
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1, denoised=False)
    found = await until(alice, recording)
    assert (found["denoised"], found["variants"]) == (False, ["original"])
    assert (await sound(alice, recording))[0] == 200
    for variant in ("denoised", "both"):
        status, answer = await alice.ask("GET", f"/api/recording/{recording}/audio?variant={variant}")
        assert (status, answer["code"]) == (404, "no_such_variant")
    for query in ("audio?variant=x", "audio?format=mp3", "audio?download=maybe", "peaks?points=0", "peaks?points=x", "peaks?variant=both"):
        status, answer = await alice.ask("GET", f"/api/recording/{recording}/{query}")
        assert (status, answer["code"]) == (422, "bad_request") and len(answer["errors"]) == 1
    for query in ("limit=0", "limit=-1", "before=yesterday", "before=99999999999999999999"):
        assert (await alice.ask("GET", f"/api/recordings?{query}"))[0] == 422


@on_sqlite
async def test_peaks(house: House) -> None:
    """As many pairs as asked for, lowest and highest of their stretch, however few or many."""
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=2)
    await until(alice, recording)
    _, whole, _ = await sound(alice, recording, "?variant=original")
    samples = np.frombuffer(whole[44:], "<i2") / 32768
    for points in (1, 10, 1000):
        _, answer = await alice.ask("GET", f"/api/recording/{recording}/peaks?variant=original&points={points}")
        assert answer["duration_s"] == 2 and len(answer["peaks"]) == points
        if points < 1000:
            parts = samples.reshape(points, -1)
            assert np.allclose(answer["peaks"], np.stack([parts.min(1), parts.max(1)], axis=1), atol=1e-4)


async def test_pages_of_the_list(house: House) -> None:
    """Newest first, `limit` of them, before an id or a moment."""
    alice = await house.user("alice")
    made = [await tape(house, "alice", seconds=1, started=STARTED + timedelta(days=day)) for day in range(4)]
    for recording in made:
        await until(alice, recording)
    for query, expected in (
        ("", [3, 2, 1, 0]),
        ("?limit=2", [3, 2]),
        (f"?limit=2&before={made[2]}", [1, 0]),
        ("?before=2026-03-02T20:15:30Z", [0]),
        ("?limit=100000", [3, 2, 1, 0]),
    ):
        _, listed = await alice.ask("GET", f"/api/recordings{query}")
        assert [each["id"] for each in listed] == [made[index] for index in expected]


async def test_what_a_crash_left_is_taken_up_at_the_next_start(open_house: OpenHouse) -> None:
    """A row that says live and files that were cut become a recording that plays; one without any sound is failed."""
    house = await open_house("same")
    alice = await house.user("alice")
    recording = await tape(house, "alice", denoised=False)
    await until(alice, recording)
    before = make_crash(folder_of(house, recording))
    await house.app[ARCHIVE].close()
    await house.app[ARCHIVE]._database.run(lambda: set_live(recording))
    empty, _ = await house.app[ARCHIVE].begin("alice", "of nothing", None, STARTED)
    again = await open_house("same")
    cookies = {cookie.key: cookie.value for cookie in alice.session.cookie_jar}
    later = again.guest()
    later.session.cookie_jar.update_cookies(cookies)
    found = await until(later, recording)
    assert SECONDS - 1 <= found["duration_s"] <= SECONDS
    status, whole, _ = await sound(later, recording)
    assert status == 200 and len(whole) == wav.size(round(found["duration_s"] * 48_000)) and len(whole) > before
    assert (await until(later, empty, "failed"))["stats"]["failed"] == "empty"
    assert (await sound(later, empty))[0] == 404


async def test_one_that_nothing_came_into_is_not_listed(house: House) -> None:
    """Turned on and off again: its row and its folder go; where something went wrong it stays, as failed."""
    alice = await house.user("alice")
    archive, nothing = house.app[ARCHIVE], Totals(0.0, False, 0, 0, 0, 0, None)
    (empty, folder), (broken, _) = [await archive.begin("alice", name, None, STARTED) for name in ("of nothing", "of a fault")]
    folder.mkdir(parents=True)
    await archive.finish(empty, nothing)
    await archive.finish(broken, nothing._replace(failed="failed"))
    await until(alice, broken, "failed")
    assert [row["id"] for row in (await alice.ask("GET", "/api/recordings"))[1]] == [broken] and not folder.exists()


async def test_whose_time_comes_while_the_list_is_asked_for_is_not_forgotten(house: House) -> None:
    """There was no room for it: its next try is due in the moment between the question and the answer, and is made."""
    alice = await house.user("alice")
    archive = house.app[ARCHIVE]
    await archive.close()
    waiting = await tape(house, "alice", denoised=False)
    archive._later[waiting] = time.monotonic() + 0.2, 10.0
    busy = asyncio.create_task(archive._database.read(time.sleep, 0.4))
    await asyncio.sleep(0)
    assert await archive._finalise_all() is False
    await busy
    assert await archive._finalise_all() is True
    await until(alice, waiting)


def make_crash(folder: Path) -> int:
    """Leave what kill -9 leaves: one file without its end. Returns a size in bytes that its WAV must have at least."""
    opus = folder / "original.opus"
    for file in folder.iterdir():
        if file != opus:
            file.unlink()
    opus.write_bytes(opus.read_bytes()[:-700])
    return wav.size((SECONDS - 1) * 48_000)


def set_live(recording: int) -> None:
    from db.tables import Recording as Row

    Row.update(state="live").where(Row.id == recording).execute()


@on_sqlite
async def test_a_listener_that_leaves_frees_what_was_decoded_for_it(house: House) -> None:
    """A stream that is broken off in the middle leaves no child and no place taken."""
    alice = await house.user("alice")
    recording = await tape(house, "alice", denoised=True)
    await until(alice, recording)
    url = house.server.make_url(f"/api/recording/{recording}/audio?variant=both")
    for _ in range(6):
        async with alice.session.get(url) as answer:
            await answer.content.readexactly(10)
            answer.close()
    assert (await sound(alice, recording, "?variant=both"))[0] == 200


@on_sqlite
async def test_one_person_does_not_take_all_streams(house: House) -> None:
    """Who has as many as one may have gets no more until one of them ends; others do."""
    alice = await house.user("alice")
    recording = await tape(house, "alice")
    await until(alice, recording)
    streams = []

    async def begin(ear: int) -> int:
        view = house.app[TRANSCODING].view(ear, lambda: None, folder_of(house, recording), "both", SECONDS * 48_000, 0, 1_000)
        streams.append(view)
        return len(await anext(view))

    assert [await begin(1) for _ in range(MOST_OF_ONE)] == [1_000] * MOST_OF_ONE
    with pytest.raises(TooMany):
        await begin(1)
    assert await begin(2) == 1_000
    await streams[0].aclose()
    assert await begin(1) == 1_000
    for view in streams:
        await view.aclose()


LONG = 20  # seconds: more than what is on the way to a narrow client


@asynccontextmanager
async def narrow(guest: Guest) -> AsyncIterator[ClientSession]:
    """The same browser, where little is on the way that it has not read."""

    def made(address: AddrInfoType) -> socket.socket:
        sock = socket.socket(*address[:3])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        return sock

    connector = TCPConnector(socket_factory=made)
    async with ClientSession(cookie_jar=guest.session.cookie_jar, connector=connector, read_bufsize=16_384) as session:
        yield session


@on_sqlite
async def test_who_has_no_stream_takes_one_from_who_has_most(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of three is broken off for one who has none; the others go on to their ends."""
    monkeypatch.setattr(transcoding, "MOST_VIEWS", 3)
    house = await open_house()
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice", seconds=LONG)
    await until(alice, recording)
    url = house.server.make_url(f"/api/recording/{recording}/audio?variant=both")
    size = wav.size(LONG * 48_000, 2)
    async with narrow(alice) as hers:
        held = [await hers.get(url) for _ in range(3)]
        assert (await sound(bob, recording, "?variant=both", Range="bytes=0-99"))[0] == 206
        read = await asyncio.gather(*(stream.content.readexactly(size) for stream in held), return_exceptions=True)
        assert sorted(isinstance(each, ClientError) for each in read) == [False, False, True]
        for stream in held:
            stream.close()
    figures = await (await bob.raw("GET", "/metrics")).text()
    assert 'hushcast_recording_streams_dropped_total{reason="taken"} 1\n' in figures


@on_sqlite
async def test_who_is_refused_a_stream_is_told_when_to_come_again(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all have alike nobody loses a stream: 429, a problem, with Retry-After."""
    monkeypatch.setattr(transcoding, "MOST_VIEWS", 1)
    house = await open_house()
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice", seconds=LONG)
    await until(alice, recording)
    url = house.server.make_url(f"/api/recording/{recording}/audio?variant=both")
    async with narrow(alice) as hers, hers.get(url) as stream:
        await stream.content.readexactly(1_000)
        status, said, headers = await sound(bob, recording, "?variant=both")
        assert (status, headers.getone("Content-Type").partition(";")[0], headers["Retry-After"]) == (429, "application/problem+json", "5")
        assert json.loads(said)["code"] == "too_many_attempts"
        stream.close()


class Held:
    """Children that make files begin when they are let; counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.let = 0, asyncio.Event()
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self._running = transcoding.run_module
        monkeypatch.setattr(transcoding, "run_module", self._run)

    async def _run(self, module: str, *arguments: object) -> bytes:
        self.begun += 1
        try:
            await self.let.wait()
            return await self._running(module, *arguments)
        finally:
            self.ended.put_nowait(str(arguments[-1]))


@on_sqlite
async def test_a_file_is_made_once_for_all_who_ask_and_only_while_somebody_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hangs up: the other gets it. All hang up: the child goes, nothing is kept, and who asks later gets it all the same."""
    monkeypatch.setattr(timeouts, "LOOK_S", 0.02)
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    held = Held(monkeypatch)

    def ask(guest: Guest) -> asyncio.Task[Any]:
        return asyncio.create_task(sound(guest, recording, "?variant=both&format=flac"))

    async def hang_up(asking: asyncio.Task[Any]) -> None:
        before = waiting(house)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(20):
            while waiting(house) == before:
                await asyncio.sleep(0.01)

    gone = [ask(alice), ask(bob)]
    async with asyncio.timeout(20):
        while waiting(house) < 2 or not held.begun:
            await asyncio.sleep(0.01)
    await hang_up(gone.pop())
    assert held.begun == 1 and held.ended.empty()
    await hang_up(gone.pop())
    async with asyncio.timeout(20):
        await held.ended.get()
    stay, leave = ask(alice), ask(bob)
    async with asyncio.timeout(20):
        while waiting(house) < 2 or held.begun < 2:
            await asyncio.sleep(0.01)
    await hang_up(leave)
    held.let.set()
    assert (await stay)[0] == 200 and held.begun == 2
    assert [file.suffix for file in (house.app[CONFIG].storage.path / transcoding.MADE).iterdir()] == [".flac"]


def waiting(house: House) -> int:
    """Requests that wait for a file to be made."""
    return len(house.app[TRANSCODING]._asked)


@on_sqlite
async def test_one_person_does_not_take_all_conversions(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond her number she is refused; and who asks last, for one file, is not last in the row."""
    monkeypatch.setattr(transcoding, "MOST_MADE_OF_ONE", 3)
    house = await open_house()
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    held = Held(monkeypatch)
    hers = [asyncio.create_task(sound(alice, recording, f"?variant={name}&format=flac")) for name in ("original", "denoised", "both")]
    await gathered(house, 3)
    assert (await sound(alice, recording, "?variant=both&format=opus"))[0] == 429
    his = asyncio.create_task(sound(bob, recording, "?variant=both&format=opus"))
    await gathered(house, 4)
    held.let.set()
    assert [answer[0] for answer in await asyncio.gather(*hers, his)] == [200] * 4
    made = [held.ended.get_nowait() for _ in range(held.begun)]
    assert [name.endswith("opus") for name in made] == [False, False, True, False]


async def gathered(house: House, most: int) -> None:
    """So many wait for a file, and none of them is on its way to the row any more."""
    async with asyncio.timeout(20):
        while waiting(house) < most or in_row(house) < most - 1:
            await asyncio.sleep(0.01)


def in_row(house: House) -> int:
    return sum(map(len, house.app[TRANSCODING]._maker._waiting.values()))


@on_sqlite
async def test_a_stream_is_broken_off_where_it_cannot_go_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted in the middle: the connection ends short of the promised length, and no other answer is mixed into the sound."""
    alice = await house.user("alice")
    recording = await tape(house, "alice")
    await until(alice, recording)
    running = transcoding.run_module

    async def once(module: str, *arguments: object) -> bytes:
        if "--start" in arguments and arguments[arguments.index("--start") + 1] != 0:
            raise ChildFailed("gone")
        return await running(module, *arguments)

    monkeypatch.setattr(transcoding, "run_module", once)
    with pytest.raises(ClientError):
        await sound(alice, recording, "?variant=both")


async def test_nobody_is_recorded_without_a_row(house: House) -> None:
    """Where there is no row there is no recording, and the broadcast is told so in one kind of error."""
    with pytest.raises(OSError, match="no_such_user"):
        await house.app[ARCHIVE].begin("nobody", "1", None, STARTED)


async def test_chapters(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cues become chapters, up to a number."""
    monkeypatch.setattr(chapters, "MOST_CHAPTERS", 5)
    alice = await house.user("alice")
    archive = house.app[ARCHIVE]
    live, _ = await archive.begin("alice", "live", None, STARTED)
    for at in range(7):
        await archive.chapter(live, at / 2, "chord", "Am")
    _, listed = await alice.ask("GET", "/api/recordings")
    assert len(listed[0]["chapters"]) == 5
    assert listed[0]["chapters"][3] == {"at_s": 1.5, "kind": "chord", "text": "Am"}


@on_sqlite
async def test_a_disk_that_is_full_shows(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before can be played, and the reason is told."""
    from workers.recordings.opusfile import OpusFile

    writing: Callable[..., None] = OpusFile._write

    def full(file: OpusFile, *args: object) -> None:
        if file.position > 96_000:
            raise OSError(28, "No space left on device")
        writing(file, *args)

    monkeypatch.setattr(OpusFile, "_write", full)
    alice = await house.user("alice")
    found = await until(alice, await tape(house, "alice"))
    assert found["stats"]["failed"] == "storage_full" and 1 <= found["duration_s"] <= 2.1
    assert (await sound(alice, found["id"]))[0] == 200


@on_sqlite
async def test_files_that_are_gone_are_not_found(house: House) -> None:
    """A folder that somebody deleted behind our back is a 404, for every form."""
    alice = await house.user("alice")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    shutil.rmtree(folder_of(house, recording))
    for query in ("", "?format=flac", "?format=opus", "?variant=both"):
        assert (await sound(alice, recording, query))[0] == 404
    assert (await alice.ask("GET", f"/api/recording/{recording}/peaks"))[0] == 404


@on_sqlite
async def test_files_that_no_row_knows_are_kept(house: House) -> None:
    """Where a copy of the database was put back, a number is given again: the files that had it are set aside, the new ones take it."""
    alice = await house.user("alice")
    lost = folder_of(house, 1)
    lost.mkdir()
    (lost / "original.opus").write_bytes(b"of a recording that the copy does not know")
    recording = await tape(house, "alice", seconds=1)
    assert recording == 1 and (await until(alice, recording))["duration_s"] == 1
    [aside] = lost.parent.glob("lost-1-*")
    assert (aside / "original.opus").read_bytes() == b"of a recording that the copy does not know"
