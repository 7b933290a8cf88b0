"""The recordings of one broadcast, one at a time: its broadcaster may turn recording off and on again while it lasts."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sfu.broadcast.properties import BroadcastProperties
from sfu.broadcast.services import Services
from sfu.ingest.timeline import RATE_HZ
from sfu.recording.broadcast_recording import BroadcastRecording
from sfu.tasks import start_task
from workers.disk_room import MB, DiskRoom
from workers.link.ring import Packet
from workers.recordings.spans import Treatment

TAIL_S = 3.0  # that a recording waits for what the fan-out still holds; at 20 ms a packet that is at most 2.5 s


@dataclass(eq=False)
class _Ending:
    """A recording that was turned off. until: where it ends on the broadcast's time line, in samples; complete: nothing more will come."""

    recording: BroadcastRecording
    until: int
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class Recorded:
    """Owns the recording in progress, and the tasks that close those before. Each recording has a time line of its own, from 0 on."""

    def __init__(self, username: str, properties: BroadcastProperties, services: Services, changed: Callable[[], object]) -> None:
        """changed(): called when `recording` or `failed` has another value."""
        self._username = username
        self._properties = properties
        self._services = services
        self._room = DiskRoom(services.storage.path, services.storage.floor_mb * MB)
        self._changed = changed
        self._newest = 0  # where the newest packet ends on the broadcast's time line, in samples
        self._sent = 0  # where the newest packet that the fan-out has sent ends
        self._endings: dict[asyncio.Task[None], _Ending] = {}  # the oldest first
        self._last = 0  # the highest id of the recordings that are closed; 0: there is none
        self._current = self._blank()

    @property
    def recording(self) -> int | None:
        """The id of the recording in progress, or None."""
        return self._current.recording

    @property
    def failed(self) -> str | None:
        """Why nothing is written, or nothing more: `storage_full`, `failed`, or None."""
        return self._current.failed

    def begin(self, *, goes_on: bool = False) -> None:
        """Start a recording, if one is wanted. The broadcast is live. goes_on: the recording is one that another server has begun."""
        properties = self._properties
        self._current = self._blank()
        if properties.record and self._services.recording.enabled and properties.since is not None:
            began = properties.since + timedelta(seconds=properties.origin / RATE_HZ)
            self._current.start(self._username, lambda: properties.title, began, goes_on=goes_on)

    def switch(self, on: bool) -> None:
        """Turn recording off, which ends the files, or on, which begins others. Changes nothing if it is so already.

        A recording that has failed is begun anew.
        """
        if on == self._properties.record and not (on and self.failed):
            return
        self._end_current()
        self._properties.record = on
        if on:
            here = self._newest or int(self._properties.duration_s * RATE_HZ)
            self._properties.origin = max(here, self._properties.origin + 1)  # each has a name of its own, without sound between too
        self.begin()

    def leave(self) -> None:
        """The broadcast goes on at another server: end the files here, and begin no others. They are a part of the recording there."""
        self._end_current()
        self._current = self._blank()

    async def settled(self, timeout_s: float) -> None:
        """Wait until it is known whether the recording could be begun, but no longer than this."""
        await self._current.opened(timeout_s)

    async def resume(self, recording: int, folder: Path, origin: int) -> int:
        """Continue a recording of the last run. Returns how far on the broadcast's time line its files go, in samples."""
        self._properties.origin = origin
        self._current = self._blank()
        return origin + await self._current.resume(recording, folder)

    async def close(self, *, resumable: bool) -> int | None:
        """Close the files, also those of the recordings before. Returns the id of the newest one, or None where nothing was recorded."""
        for ending in self._endings.values():
            ending.complete.set()
        newest = await self._current.close(resumable=resumable)
        await asyncio.gather(*self._endings, return_exceptions=True)
        return newest or self._last or None

    def original(self, packet: Packet) -> None:
        """A packet as it came from the broadcaster."""
        self._newest = packet.time + packet.samples
        self._current.original(packet)

    def heard(self, packet: Packet, variant: str, why: Treatment) -> None:
        """A packet as `auto` listeners were sent it."""
        self._sent = packet.time + packet.samples
        recording = self._current
        for ending in reversed(self._endings.values()):  # so the oldest one that it belongs to is the last found
            if packet.time < ending.until:
                recording = ending.recording
            if self._sent >= ending.until:
                ending.complete.set()
        recording.heard(packet, variant, why)

    def _blank(self) -> BroadcastRecording:
        properties = self._properties
        return BroadcastRecording(properties.tape, self._services.archive, self._room, self._changed, origin=properties.origin)

    def _end_current(self) -> None:
        ending = _Ending(self._current, self._newest)
        if self._sent >= self._newest:
            ending.complete.set()
        task = start_task(self._end(ending), name=f"end of the recording {self._properties.tape}")
        self._endings[task] = ending
        task.add_done_callback(self._endings.pop)

    async def _end(self, ending: _Ending) -> None:
        """Close a recording when the fan-out has sent all of its packets."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TAIL_S):
                await ending.complete.wait()
        self._last = max(await ending.recording.close() or 0, self._last)
