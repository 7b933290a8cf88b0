"""The voices that wait until a worker that was not forked has loaded its denoiser: with the forkserver, where nothing holds them.

A process that loads a model hears nothing for seconds. So it is given no voice before: who leaves meanwhile is let go at once,
and those who stay do not notice.
"""

import json
import os
import select
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from workers.link.control import WorkerFailure
from workers.voice.voice import VoiceRequest, refuse

# The server has closed its way to the worker, or all of its end; the first can be told from words only where the system says so.
_LEFT = getattr(select, "POLLRDHUP", 0)


class PendingVoices:
    """Owns the descriptors of these voices until they are handed over. `poll` is told of their lines."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._voices: dict[int, tuple[VoiceRequest, list[int]]] = {}  # by their line

    def __len__(self) -> int:
        return len(self._voices)

    def __contains__(self, line: int) -> bool:
        return line in self._voices

    def add(self, request: VoiceRequest, fds: Sequence[int]) -> None:
        """One voice more. fds: see `Voice`; they stay the caller's, for they are doubled."""
        own = _doubled(fds)
        self._voices[own[-1]] = (request, own)
        self._poll.register(own[-1], _LEFT)

    def leave(self, line: int) -> None:
        """The server wants that voice no more: it sees its line end."""
        _, fds = self._taken(line)
        for fd in fds:
            os.close(fd)

    def hand_to(self, channel: socket.socket) -> int:
        """Hand all over; how many went. One that does not go sees its line end."""
        went = 0
        for line in list(self._voices):
            went += send(channel, *self._voices[line])
            self.leave(line)
        return went

    def refuse(self, why: WorkerFailure) -> None:
        """Tell them all why nothing will come."""
        for line in list(self._voices):
            _, fds = self._taken(line)
            refuse(fds.pop(), why.reason, why.text)
            for fd in fds:
                os.close(fd)

    def close(self) -> None:
        """There is nothing to wait for any more: they see their lines end."""
        for line in list(self._voices):
            self.leave(line)

    def _taken(self, line: int) -> tuple[VoiceRequest, list[int]]:
        self._poll.unregister(line)
        return self._voices.pop(line)


def send(channel: socket.socket, request: VoiceRequest, fds: Sequence[int]) -> bool:
    """Hand a voice to the worker at the other end; False where it is dead or has not listened for long."""
    try:
        socket.send_fds(channel, [json.dumps(request._asdict()).encode()], fds)
    except OSError:
        return False
    return True


def _doubled(fds: Sequence[int]) -> list[int]:
    """Copies that no process started meanwhile inherits; all or none."""
    with ExitStack() as undone:
        made = []
        for fd in fds:
            made.append(os.dup(fd))
            undone.callback(os.close, made[-1])
        undone.pop_all()
    return made
