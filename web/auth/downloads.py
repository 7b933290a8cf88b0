"""Recordings that are being sent, and by what right: where the right ends, so does the sound, in the middle of a file if need be."""

import asyncio
from collections.abc import Callable, Collection
from typing import NamedTuple

from aiohttp import web


class Right(NamedTuple):
    """Why somebody may hear a recording: a login, and being its owner or the owner's friend."""

    login_id: int
    listener_id: int
    owner_id: int
    recording_id: int


class Downloads:
    """Knows every answer with sound in it, from the check of its right until its last byte is sent. Bounded by the connections.

    What has begun can only be broken off: the connection ends short of the promised length.
    """

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[object], Right] = {}

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, request: web.Request, right: Right) -> None:
        """To be called by the request's handler. Its task sends the answer too, and is done with that."""
        task = asyncio.current_task()
        assert task is not None
        transport = request.transport
        self._running[task] = right

        def end(done: asyncio.Task[object]) -> None:
            del self._running[done]
            if done.cancelled() and transport is not None:
                transport.abort()  # what waits for a client that takes nothing is not waited for

        task.add_done_callback(end)

    def rights(self) -> set[Right]:
        """Those that are made use of now."""
        return set(self._running.values())

    def signed_out(self, login_ids: Collection[int]) -> None:
        """These logins have ended."""
        ended = set(login_ids)
        self._end(lambda right: right.login_id in ended)

    def unfriended(self, one: int, other: int) -> None:
        """These two are no longer friends."""
        self._end(lambda right: {right.listener_id, right.owner_id} == {one, other})

    def deleted(self, recording_ids: Collection[int]) -> None:
        """These recordings are no more."""
        self._end(lambda right: right.recording_id in recording_ids)

    def of_account(self, user_id: int) -> None:
        """This account is no more: what it hears ends, and what others hear of it."""
        self._end(lambda right: user_id in (right.listener_id, right.owner_id))

    def _end(self, is_over: Callable[[Right], bool]) -> None:
        for task, right in self._running.items():
            if is_over(right):
                task.cancel()  # not its transport: asyncio's sendfile does not bear that


DOWNLOADS = web.AppKey("DOWNLOADS", Downloads)
