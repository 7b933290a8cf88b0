"""Accepting connections: errors of one connection, and of this process."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from sfu.net import acceptor
from sfu.net.acceptor import Acceptor


class Ill(socket.socket):
    """A listening socket whose first accept raises an error."""

    wrong = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if self.wrong:
            error, self.wrong = OSError(self.wrong, "ill"), 0
            raise error
        return super().accept()


@pytest.mark.parametrize(("wrong", "rests"), [(errno.EPROTO, 0), (errno.ECONNABORTED, 0), (errno.EMFILE, 1), (errno.ENOBUFS, 1)])
async def test_a_connection_that_went_wrong_closes_no_door(wrong: int, rests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error of one connection the next is accepted at once; after one of this process accepting pauses, then goes on."""
    monkeypatch.setattr(acceptor, "PAUSE_S", 0.05)
    one, came, told = Ill(), asyncio.Queue[socket.socket](), []
    one.bind(("127.0.0.1", 0))
    one.listen()
    one.wrong = wrong
    doors = Acceptor([one], 4, lambda connection, address: came.put_nowait(connection), told.append)
    with socket.create_connection(one.getsockname()):
        doors.accept(one)
        assert (len(doors._paused), came.qsize(), [error.errno for error in told]) == (rests, 1 - rests, [wrong] * rests)
        async with asyncio.timeout(20):
            (await came.get()).close()
        assert not doors._paused
    doors.close()
    assert one.fileno() == -1


async def test_it_ends_while_it_rests() -> None:
    """It can be closed while it pauses: no timer and no socket is left."""
    one = Ill()
    one.bind(("127.0.0.1", 0))
    one.listen()
    one.wrong = errno.ENFILE
    doors = Acceptor([one], 4, lambda connection, address: connection.close(), lambda error: None)
    doors.accept(one)
    assert len(doors._paused) == 1
    doors.close()
    assert not doors._paused and one.fileno() == -1
