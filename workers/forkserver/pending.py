"""The voices that wait until an executed worker has loaded its denoiser. The forkserver keeps them meanwhile.

A process that loads a model reads nothing for seconds, so it gets its voices only after that. A voice that is closed meanwhile is
released at once.
"""

import json
import os
import select
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from workers.link.control import WorkerFailure
from workers.voice.voice import VoiceRequest, refuse

# The server has shut down its sending side, or closed its end. The first is told from data only where the system has POLLRDHUP.
_LEFT = getattr(select, "POLLRDHUP", 0)


class PendingVoices:
    """Owns the descriptors of these voices until they are handed over. Registers their control lines with `poll`."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._voices: dict[int, tuple[VoiceRequest, list[int]]] = {}  # by the descriptor of their control line

    def __len__(self) -> int:
        return len(self._voices)

    def __contains__(self, line: int) -> bool:
        return line in self._voices

    def add(self, request: VoiceRequest, fds: Sequence[int]) -> None:
        """Add a voice. fds: see `Voice`; they stay the caller's, because they are duplicated."""
        own = _doubled(fds)
        self._voices[own[-1]] = (request, own)
        self._poll.register(own[-1], _LEFT)

    def leave(self, line: int) -> None:
        """Close a voice; the server sees its control line end."""
        _, fds = self._taken(line)
        for fd in fds:
            os.close(fd)

    def hand_to(self, channel: socket.socket) -> int:
        """Hand all voices over; returns how many. The control line of one that fails ends."""
        went = 0
        for line in list(self._voices):
            went += send(channel, *self._voices[line])
            self.leave(line)
        return went

    def refuse(self, why: WorkerFailure) -> None:
        """Report a failure to all voices and close them."""
        for line in list(self._voices):
            _, fds = self._taken(line)
            refuse(fds.pop(), why.reason, why.text)
            for fd in fds:
                os.close(fd)

    def close(self) -> None:
        """Close all voices; their control lines end."""
        for line in list(self._voices):
            self.leave(line)

    def _taken(self, line: int) -> tuple[VoiceRequest, list[int]]:
        self._poll.unregister(line)
        return self._voices.pop(line)


def send(channel: socket.socket, request: VoiceRequest, fds: Sequence[int]) -> bool:
    """Hand a voice to the worker at the other end; False where it has ended or its buffer is full."""
    try:
        socket.send_fds(channel, [json.dumps(request._asdict()).encode()], fds)
    except OSError:
        return False
    return True


def _doubled(fds: Sequence[int]) -> list[int]:
    """Duplicates that are not inherited on exec; all or none."""
    with ExitStack() as undone:
        made = []
        for fd in fds:
            made.append(os.dup(fd))
            undone.callback(os.close, made[-1])
        undone.pop_all()
    return made
