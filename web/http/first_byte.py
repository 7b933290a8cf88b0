"""What a new connection speaks, told by its first byte, which is only looked at: whoever serves it reads it again."""

import asyncio
import enum
import socket


class Speech(enum.Enum):
    """TLS (its records of a handshake are of type 22), HTTP, ICE over TCP (RFC 4571: a length below 512), or nothing known here."""

    TLS = enum.auto()
    HTTP = enum.auto()
    MEDIA = enum.auto()
    UNKNOWN = enum.auto()


def speech_of(first: int) -> Speech:
    """HTTP begins with a method's letter; an empty line before it is allowed (RFC 9112 §2.2)."""
    if first == 0x16:
        return Speech.TLS
    if first < 2:
        return Speech.MEDIA
    return Speech.HTTP if bytes([first]).isalpha() or first in b"\r\n" else Speech.UNKNOWN


async def first_byte(connection: socket.socket, patience_s: float) -> int | None:
    """The first byte that the other end sends, left in `connection` (non-blocking); None where it ends without one.

    Raises TimeoutError, and OSError where the connection broke. Cancelled, it leaves nothing behind.
    """
    try:
        async with asyncio.timeout(patience_s):
            while True:
                try:
                    return _peeked(connection)
                except (BlockingIOError, InterruptedError):
                    await _readable(connection)
    except TimeoutError:
        try:  # after a standstill of this process the byte may be there as well
            return _peeked(connection)
        except (BlockingIOError, InterruptedError):
            raise TimeoutError from None


def _peeked(connection: socket.socket) -> int | None:
    peeked = connection.recv(1, socket.MSG_PEEK)
    return peeked[0] if peeked else None


async def _readable(connection: socket.socket) -> None:
    loop, ready, handle = asyncio.get_running_loop(), asyncio.Event(), connection.fileno()
    loop.add_reader(handle, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(handle)
