"""Is a port really reached at an address? Asked by the doctor, from this machine itself."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Sequence

PATIENCE_S = 1.0


async def echoes(bound: socket.socket, address: str) -> bool:
    """Does a datagram to that address and the port of `bound` (non-blocking, UDP) arrive there?"""
    loop, word = asyncio.get_running_loop(), secrets.token_bytes(12)
    with socket.socket(bound.family, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        try:
            await loop.sock_sendto(asking, word, (address, bound.getsockname()[1]))
            async with asyncio.timeout(PATIENCE_S):
                while await loop.sock_recv(bound, 64) != word:
                    pass
        except (OSError, TimeoutError):
            return False
    return True


async def accepts(address: str, port: int) -> bool:
    """Does somebody take a TCP connection there?"""
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def unreached(datagrams: Sequence[socket.socket], announced: Sequence[str]) -> list[str]:
    """Of the sockets' own addresses and the announced ones those where a datagram from here does not arrive."""
    by_family = {each.family: each for each in datagrams}
    targets = [(each, str(each.getsockname()[0])) for each in datagrams]
    for address in announced:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family in by_family:
            targets.append((by_family[family], address))
    return [address for bound, address in targets if not await echoes(bound, address)]
