"""The descriptor that announces new packets: an eventfd, so that one process can wake the other from its poll."""

import os
import socket
import sys
from types import TracebackType
from typing import Self

_EVENTFD = hasattr(os, "eventfd")  # asked once: a bell is rung and answered for every packet


class Bell:
    """Rung by one process, answered by the other; blocks neither. Owns its descriptors.

    `fd` is what this side polls and rings, `handed` is what the other process gets: the same eventfd, or the other end of a
    socket pair where the system has no eventfds.
    """

    def __init__(self, fd: int, handed: int) -> None:
        self.fd = fd
        self.handed = handed

    @classmethod
    def create(cls) -> "Bell":
        """A bell that is not rung, closed on exec."""
        if _EVENTFD:
            fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            return cls(fd, fd)
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        return cls(near.detach(), far.detach())

    @classmethod
    def attach(cls, fd: int) -> "Bell":
        """The other side's bell, from a descriptor received over a socket, which is owned from here on."""
        os.set_blocking(fd, False)
        return cls(fd, fd)

    def fileno(self) -> int:
        return self.fd

    def ring(self, count: int = 1) -> None:
        """Wake the other side: `count` more packets. A full counter wakes it too, so that is no error."""
        try:
            os.write(self.fd, count.to_bytes(8, sys.byteorder) if _EVENTFD else bytes(count))
        except (BlockingIOError, BrokenPipeError):
            pass

    def answer(self) -> int:
        """How many packets were announced since the last answer; resets the bell."""
        try:
            told = os.read(self.fd, 8 if _EVENTFD else 65536)
        except BlockingIOError:
            return 0
        return int.from_bytes(told, sys.byteorder) if _EVENTFD else len(told)

    def close(self) -> None:
        for fd in {self.fd, self.handed} - {-1}:
            os.close(fd)
        self.fd = self.handed = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
