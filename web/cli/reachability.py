"""Tests whether a port can be reached at an address, from this machine itself; for the doctor."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Sequence

TIMEOUT_S = 1.0


async def arrives(bound: socket.socket, address: str) -> bool:
    """Whether a datagram to this address and the port of `bound` (UDP, non-blocking) arrives there."""
    loop, token = asyncio.get_running_loop(), secrets.token_bytes(12)
    with socket.socket(bound.family, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            await loop.sock_sendto(sender, token, (address, bound.getsockname()[1]))
            async with asyncio.timeout(TIMEOUT_S):
                while await loop.sock_recv(bound, 64) != token:
                    pass
        except (OSError, TimeoutError):
            return False
    return True


async def accepts(address: str, port: int) -> bool:
    """Whether a TCP connection to this place succeeds."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def unreached(datagrams: Sequence[socket.socket], announced: Sequence[str]) -> list[str]:
    """Of the sockets' own and the announced addresses, those where a datagram from here does not arrive."""
    by_family = {each.family: each for each in datagrams}
    targets = [(each, str(each.getsockname()[0])) for each in datagrams]
    for address in announced:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family in by_family:
            targets.append((by_family[family], address))
    return [address for bound, address in targets if not await arrives(bound, address)]
