"""The descriptor that says "new packet": an eventfd, so that one process can wake the other from its poll."""

import os
import socket
import sys
from types import TracebackType
from typing import Self


class Bell:
    """Rung by one process, answered by the other; never blocks either. Owns its descriptors.

    `fd` is what this side polls and rings, `handed` is what the other process gets (the same one with an eventfd; the
    other end of a socket pair where eventfds are missing).
    """

    def __init__(self, fd: int, handed: int) -> None:
        self.fd = fd
        self.handed = handed

    @classmethod
    def create(cls) -> "Bell":
        """A silent bell, closed on exec."""
        if hasattr(os, "eventfd"):
            fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            return cls(fd, fd)
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        return cls(near.detach(), far.detach())

    @classmethod
    def attach(cls, fd: int) -> "Bell":
        """The other side's bell, from the descriptor that came over the socket; it is owned from here on."""
        os.set_blocking(fd, False)
        return cls(fd, fd)

    def fileno(self) -> int:
        return self.fd

    def ring(self, count: int = 1) -> None:
        """Wake the other side: `count` packets more. A bell rung to its limit is loud enough, so that is no error."""
        try:
            os.write(self.fd, count.to_bytes(8, sys.byteorder) if self._counts else bytes(count))
        except (BlockingIOError, BrokenPipeError):
            pass

    def answer(self) -> int:
        """How often it was rung since the last answer; 0 when silent."""
        try:
            told = os.read(self.fd, 8 if self._counts else 65536)
        except BlockingIOError:
            return 0
        return int.from_bytes(told, sys.byteorder) if self._counts else len(told)

    @property
    def _counts(self) -> bool:
        return hasattr(os, "eventfd")

    def close(self) -> None:
        for fd in {self.fd, self.handed} - {-1}:
            os.close(fd)
        self.fd = self.handed = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
