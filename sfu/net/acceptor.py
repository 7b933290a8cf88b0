"""Accepts connections on the loop: a few at a time, and none for a while after descriptors or memory have run out."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from functools import partial

from sfu.wire.ice import Address

EXHAUSTED = (EMFILE, ENFILE, ENOBUFS, ENOMEM)  # errors of accept that concern this process; all others concern one connection
PAUSE_S = 1.0  # without accepting after those, so that others get the descriptors that become free

OnAccepted = Callable[[socket.socket, Address], None]


class Acceptor:
    """Owns listening sockets that the loop watches. Accepted connections belong to `on_accepted`, which has to close them."""

    def __init__(
        self, listening: Sequence[socket.socket], at_once: int, on_accepted: OnAccepted, on_exhausted: Callable[[OSError], None]
    ) -> None:
        """at_once: connections accepted before the loop goes on. on_exhausted: called when it pauses."""
        self._listening = list(listening)
        self._at_once, self._on_accepted, self._on_exhausted = at_once, on_accepted, on_exhausted
        self._paused: dict[socket.socket, asyncio.TimerHandle] = {}
        for one in self._listening:
            one.setblocking(False)
            self._watch(one)

    def add(self, one: socket.socket) -> None:
        """Accept from one more socket."""
        one.setblocking(False)
        self._listening.append(one)
        self._watch(one)

    def remove(self, one: socket.socket) -> None:
        """Close one of the sockets; connections accepted from it stay."""
        self._listening.remove(one)
        if (timer := self._paused.pop(one, None)) is not None:
            timer.cancel()
        asyncio.get_running_loop().remove_reader(one.fileno())
        one.close()

    def close(self) -> None:
        """Close all sockets. Idempotent."""
        for timer in self._paused.values():
            timer.cancel()
        self._paused.clear()
        for one in self._listening:
            asyncio.get_running_loop().remove_reader(one.fileno())
            one.close()
        self._listening.clear()

    def _watch(self, one: socket.socket) -> None:
        self._paused.pop(one, None)
        asyncio.get_running_loop().add_reader(one.fileno(), partial(self.accept, one))

    def accept(self, one: socket.socket) -> None:
        """Accept connections that wait at one of the sockets. Called by the loop."""
        for _ in range(self._at_once):
            try:
                connection, address = one.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    continue
                self._pause(one)
                self._on_exhausted(error)
                return
            self._on_accepted(connection, address)

    def _pause(self, one: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(one.fileno())
        self._paused[one] = loop.call_later(PAUSE_S, self._watch, one)
