"""Accepting connections (sfu/net/acceptor.py): what goes wrong with one of them, and with this process."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from sfu.net import acceptor
from sfu.net.acceptor import Acceptor


class Ill(socket.socket):
    """The first connection that is taken from it is ill."""

    wrong = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if self.wrong:
            error, self.wrong = OSError(self.wrong, "ill"), 0
            raise error
        return super().accept()


@pytest.mark.parametrize(("wrong", "rests"), [(errno.EPROTO, 0), (errno.ECONNABORTED, 0), (errno.EMFILE, 1), (errno.ENOBUFS, 1)])
async def test_a_connection_that_went_wrong_closes_no_door(wrong: int, rests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is taken at once; only where this process has nothing left for one does it rest, and goes on by itself."""
    monkeypatch.setattr(acceptor, "REST_S", 0.05)
    one, came, told = Ill(), asyncio.Queue[socket.socket](), []
    one.bind(("127.0.0.1", 0))
    one.listen()
    one.wrong = wrong
    doors = Acceptor([one], 4, lambda connection, address: came.put_nowait(connection), told.append)
    with socket.create_connection(one.getsockname()):
        doors.accept(one)
        assert (doors.resting, came.qsize(), [error.errno for error in told]) == (rests, 1 - rests, [wrong] * rests)
        async with asyncio.timeout(20):
            (await came.get()).close()
        assert doors.resting == 0
    doors.close()
    assert one.fileno() == -1


async def test_it_ends_while_it_rests() -> None:
    """Nothing is taken afterwards, and nothing is left behind."""
    one = Ill()
    one.bind(("127.0.0.1", 0))
    one.listen()
    one.wrong = errno.ENFILE
    doors = Acceptor([one], 4, lambda connection, address: connection.close(), lambda error: None)
    doors.accept(one)
    assert doors.resting == 1
    doors.close()
    assert doors.resting == 0 and one.fileno() == -1
