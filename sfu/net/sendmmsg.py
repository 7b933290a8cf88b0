"""Sends many datagrams over one socket: by `sendmmsg` where the kernel has it, else by one `sendto` each. Never waits."""

import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Iterable

import numpy as np

from sfu.wire.ice import Address

# struct mmsghdr of Linux, 64 bits: glibc's and, on a little-endian machine, musl's
MESSAGE = np.dtype(
    [
        ("name", np.uint64),
        ("name_length", np.uint32),
        ("", np.uint32),
        ("iov", np.uint64),
        ("iov_length", np.uint64),
        ("control", np.uint64),
        ("control_length", np.uint64),
        ("flags", np.int32),
        ("", np.uint32),
        ("sent", np.uint32),
        ("", np.uint32),
    ]
)
IOVEC = np.dtype([("base", np.uint64), ("length", np.uint64)])
SOCKADDR_BYTES = 28  # sockaddr_in6, the longer of the two

_BUFFER_FULL = (errno.EAGAIN, errno.EWOULDBLOCK)
_DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)
# PyDLL keeps the GIL: the call never waits, and getting the GIL back from another thread would take up to 5 ms
_libc = ctypes.PyDLL(None, use_errno=True) if sys.platform == "linux" and sys.byteorder == "little" and sys.maxsize > 2**32 else None
HAVE_SENDMMSG = _libc is not None and hasattr(_libc, "sendmmsg")
if _libc is not None and HAVE_SENDMMSG:
    _sendmmsg = _libc.sendmmsg
    _sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    _sendmmsg.restype = ctypes.c_int


def send_many(fd: int, start: int, count: int) -> list[int]:
    """Send `count` MESSAGEs that lie contiguously at address `start`. Returns the indices of those that the kernel refused.

    An error of one destination does not affect the others. Only a full send buffer refuses all that follow.
    """
    refused: list[int] = []
    at = 0
    while at < count:
        done = _sendmmsg(fd, start + at * MESSAGE.itemsize, count - at, _DONTWAIT)
        if done > 0:
            at += done
            continue
        wrong = ctypes.get_errno()
        if wrong == errno.EINTR:
            continue
        if wrong in _BUFFER_FULL:
            refused.extend(range(at, count))
            break
        refused.append(at)
        at += 1
    return refused


def send_each(fd: int, datagrams: Iterable[tuple[memoryview, Address]]) -> list[int]:
    """As `send_many`, with a system call for each datagram."""
    refused: list[int] = []
    with socket.socket(fileno=os.dup(fd)) as sender:
        for at, (datagram, address) in enumerate(datagrams):
            try:
                sender.sendto(datagram, _DONTWAIT, address)
            except OSError:
                refused.append(at)
    return refused


def sockaddr(address: Address) -> bytes:
    """The sockaddr of a numeric address in recvfrom's form: 16 bytes for IPv4, 28 for IPv6."""
    host, port = address[0], address[1]
    if ":" not in host:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_pton(socket.AF_INET, host))
    flow, scope = (address[2], address[3]) if len(address) == 4 else (0, 0)
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HL16s", port, flow, packed) + struct.pack("=L", scope)
