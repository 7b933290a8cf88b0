"""Accepting connections on the loop: a few at a time, and none for a while where there are no descriptors left."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from functools import partial

from sfu.wire.ice import Address

EXHAUSTED = (EMFILE, ENFILE, ENOBUFS, ENOMEM)  # errors of accept that say something of us; all others are of one connection
REST_S = 1.0  # without accepting then: others need what there is

Welcome = Callable[[socket.socket, Address], None]


class Acceptor:
    """Listening sockets that the loop watches. Closes them; what it has accepted is `welcome`'s, who closes that."""

    def __init__(self, listening: Sequence[socket.socket], at_once: int, welcome: Welcome, exhausted: Callable[[OSError], None]) -> None:
        """at_once: accepted in one go, while all else waits. exhausted: told when it rests."""
        self._listening = list(listening)
        self._at_once, self._welcome, self._exhausted = at_once, welcome, exhausted
        self._resting: dict[socket.socket, asyncio.TimerHandle] = {}
        for one in self._listening:
            one.setblocking(False)
            self._watch(one)

    def add(self, one: socket.socket) -> None:
        """One more to accept from."""
        one.setblocking(False)
        self._listening.append(one)
        self._watch(one)

    def remove(self, one: socket.socket) -> None:
        """Close one of them; what it has accepted stays."""
        self._listening.remove(one)
        if (timer := self._resting.pop(one, None)) is not None:
            timer.cancel()
        asyncio.get_running_loop().remove_reader(one.fileno())
        one.close()

    @property
    def resting(self) -> int:
        """Sockets that accept nothing just now."""
        return len(self._resting)

    def close(self) -> None:
        """Nobody comes in any more."""
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()
        for one in self._listening:
            asyncio.get_running_loop().remove_reader(one.fileno())
            one.close()
        self._listening.clear()

    def _watch(self, one: socket.socket) -> None:
        self._resting.pop(one, None)
        asyncio.get_running_loop().add_reader(one.fileno(), partial(self.accept, one))

    def accept(self, one: socket.socket) -> None:
        """Take in who waits at one of the sockets. Called by the loop."""
        for _ in range(self._at_once):
            try:
                connection, address = one.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    continue
                self._rest(one)
                self._exhausted(error)
                return
            self._welcome(connection, address)

    def _rest(self, one: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(one.fileno())
        self._resting[one] = loop.call_later(REST_S, self._watch, one)
