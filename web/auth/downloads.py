"""Recordings that are being sent now. When the right to hear one ends, its download is aborted."""

import asyncio
from collections.abc import Callable, Collection
from typing import NamedTuple

from aiohttp import web


class Right(NamedTuple):
    """Why somebody may hear a recording: a login of the owner or of the owner's friend."""

    login_id: int
    listener_id: int
    owner_id: int
    recording_id: int


class Downloads:
    """The requests that send recordings, from the check of the right to the last byte. Bounded by the number of connections.

    Ending one closes its connection before the promised length is sent: an answer that has begun has no other error.
    """

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[object], Right] = {}

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, request: web.Request, right: Right) -> None:
        """Register the request; its handler calls this. aiohttp sends the answer in the handler's task, so both end together."""
        task = asyncio.current_task()
        assert task is not None
        transport = request.transport
        self._running[task] = right

        def end(done: asyncio.Task[object]) -> None:
            del self._running[done]
            if done.cancelled() and transport is not None:
                transport.abort()  # else closing waits until the client has read what is buffered

        task.add_done_callback(end)

    def rights(self) -> set[Right]:
        """The rights of all downloads now."""
        return set(self._running.values())

    def signed_out(self, login_ids: Collection[int]) -> None:
        """End the downloads of these logins."""
        ended = set(login_ids)
        self._end(lambda right: right.login_id in ended)

    def unfriended(self, one: int, other: int) -> None:
        """End the downloads of these two users from each other."""
        self._end(lambda right: {right.listener_id, right.owner_id} == {one, other})

    def deleted(self, recording_ids: Collection[int]) -> None:
        """End the downloads of these recordings."""
        self._end(lambda right: right.recording_id in recording_ids)

    def of_account(self, user_id: int) -> None:
        """End the downloads of this user, and those of this user's recordings."""
        self._end(lambda right: user_id in (right.listener_id, right.owner_id))

    def _end(self, is_over: Callable[[Right], bool]) -> None:
        for task, right in self._running.items():
            if is_over(right):
                task.cancel()  # first the task: asyncio's sendfile fails if its transport is aborted


DOWNLOADS = web.AppKey("DOWNLOADS", Downloads)
