"""UDP sockets with the kernel's own time stamps, emptied many datagrams at a time: a client that is hardly there."""

import contextlib
import ctypes
import socket
import struct
import sys
import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sfu.net.sendmmsg import IOVEC, MESSAGE

BATCH = 64  # datagrams a call
LARGEST = 2048
ROOM_BYTES = 1 << 20  # of the receiving buffer: seconds of one broadcast
STAMPING, STAMP_NS = 37, 35  # SO_TIMESTAMPING, SO_TIMESTAMPNS of Linux
_SENT, _SOFTWARE, _ONLY_STAMP = 1 << 1, 1 << 4, 1 << 11
_CONTROL = 64  # bytes: one header of 16, one timespec of 16, and some to spare
_RCVBUFFORCE = 33


class Datagrams(NamedTuple):
    """Some datagrams in order of arrival; views that the next read overwrites."""

    lengths: npt.NDArray[np.uint32]
    stamps_ns: npt.NDArray[np.int64]  # CLOCK_REALTIME, when the kernel put it into the socket
    bytes: npt.NDArray[np.uint8]  # [count, LARGEST]

    def at(self, index: int) -> bytes:
        return self.bytes[index, : self.lengths[index]].tobytes()


class StampedSocket:
    """A non-blocking UDP socket on loopback. `sendto` needs `connect` first; `sent_ns`: when the kernel passed the last one on."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind((host, 0))
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, ROOM_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, STAMP_NS, 1)
        self.host, self.port = host, int(self.socket.getsockname()[1])
        self.fd = self.socket.fileno()
        self.sent_ns = 0  # CLOCK_REALTIME
        self._stamps_sends = False

    def connect(self, address: str, port: int) -> None:
        self.socket.connect((address, port))

    def stamp_sends(self) -> bool:
        """Have the kernel stamp what goes out; else `sent_ns` is the moment before the call. Says whether it can."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, STAMPING, _SENT | _SOFTWARE | _ONLY_STAMP)
            self._stamps_sends = True
        return self._stamps_sends

    def sendto(self, data: bytes) -> None:
        self.sent_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        with contextlib.suppress(OSError):
            self.socket.send(data)
        while self._stamps_sends:  # on loopback the stamp is there when the call returns
            try:
                _, ancillary, _, _ = self.socket.recvmsg(0, 256, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            except OSError:
                return
            for level, kind, value in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, STAMPING):
                    seconds, nanoseconds = struct.unpack_from("qq", value)
                    self.sent_ns = seconds * 1_000_000_000 + nanoseconds

    def close(self) -> None:
        self.socket.close()


class Drain:
    """Memory for BATCH datagrams and `recvmmsg` into it. One a process."""

    def __init__(self) -> None:
        assert sys.platform == "linux", "time stamps and recvmmsg as here are Linux's"
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._bytes = np.zeros((BATCH, LARGEST), np.uint8)
        self._control = np.zeros((BATCH, _CONTROL // 8), np.int64)
        self._pieces = np.zeros(BATCH, IOVEC)
        self._pieces["base"] = self._bytes.ctypes.data + np.arange(BATCH, dtype=np.uint64) * np.uint64(LARGEST)
        self._pieces["length"] = LARGEST
        self._messages = np.zeros(BATCH, MESSAGE)
        self._messages["iov"] = self._pieces.ctypes.data + np.arange(BATCH, dtype=np.uint64) * np.uint64(IOVEC.itemsize)
        self._messages["iov_length"] = 1
        self._messages["control"] = self._control.ctypes.data + np.arange(BATCH, dtype=np.uint64) * np.uint64(_CONTROL)
        self._at = self._messages.ctypes.data

    def read(self, fd: int) -> Datagrams | None:
        """What is there, at most BATCH; None when there is nothing."""
        self._messages["control_length"] = _CONTROL
        count = self._call(fd, self._at, BATCH, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return None
        stamps = self._control[:count, 2] * 1_000_000_000 + self._control[:count, 3]
        return Datagrams(self._messages["sent"][:count], stamps, self._bytes[:count])
