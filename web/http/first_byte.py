"""The protocol of a new connection, told by its first byte, and what a TLS client asks for. The bytes stay in the socket."""

import asyncio
import enum
import socket
from contextlib import suppress

from web.http.client_hello import LONGEST, ClientHello, hello_in

# For more of a message that has come in part: a socket with something in it is always readable. Each wait is twice as long.
LOOK_AGAIN_S, LONGEST_WAIT_S = 0.01, 0.32


class WireProtocol(enum.Enum):
    """TLS (a handshake record has type 22), HTTP, ICE over TCP (RFC 4571: the first length is below 512), or none of them."""

    TLS = enum.auto()
    HTTP = enum.auto()
    MEDIA = enum.auto()
    UNKNOWN = enum.auto()


def protocol_of(first: int) -> WireProtocol:
    """The protocol that begins with this byte. HTTP begins with a letter of the method, or with an empty line (RFC 9112 §2.2)."""
    if first == 0x16:
        return WireProtocol.TLS
    if first < 2:
        return WireProtocol.MEDIA
    return WireProtocol.HTTP if bytes([first]).isalpha() or first in b"\r\n" else WireProtocol.UNKNOWN


async def first_byte(connection: socket.socket, timeout_s: float) -> int | None:
    """Peek at the first byte from `connection`, which is non-blocking; None where the other end closes without sending.

    Raises TimeoutError, and OSError where the connection is lost. Can be cancelled.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return _peeked(connection)
                except (BlockingIOError, InterruptedError):
                    await _readable(connection)
    except TimeoutError:
        try:  # after a standstill of this process both the timeout and the byte may be there
            return _peeked(connection)
        except (BlockingIOError, InterruptedError):
            raise TimeoutError from None


async def peeked_hello(connection: socket.socket, timeout_s: float) -> ClientHello | None:
    """Peek at the ClientHello from `connection`, whose first byte has come. None where it is none, or not whole in time: the handshake
    then says what is wrong. Raises OSError where the connection is lost. Can be cancelled.
    """
    seen, wait_s = 0, LOOK_AGAIN_S
    with suppress(TimeoutError, ValueError):
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    start = connection.recv(LONGEST, socket.MSG_PEEK)
                except (BlockingIOError, InterruptedError):
                    start = b""
                if len(start) > seen and (hello := hello_in(start)) is not None:
                    return hello
                seen = max(seen, len(start))
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
    return None


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
