"""Under which epoch this server writes about a broadcast, of several servers. One server alone has none, and writes everything."""

from collections.abc import Collection
from typing import Protocol


class Fence(Protocol):
    """What knows the epochs of this server's broadcasts. A tape is a broadcast's id, or that, a dot and a number."""

    def kept(self, broadcast: str, epoch: int) -> None:
        """Before the restart this server had the broadcast with this epoch; whether it is still the newest is seen when it is used."""

    async def take(self, username: str, tape: str) -> int | None:
        """The epoch of the user's broadcast here, which is taken now where it has none. None: write without. Raises Unavailable."""

    def epoch_of(self, tape: str) -> int | None:
        """The epoch under which this server has the broadcast, or had it last; None: it had none, write without."""

    def stale(self, tape: str) -> None:
        """The database has refused that epoch: another server has the broadcast."""


class NoFence:
    """One server alone."""

    def kept(self, broadcast: str, epoch: int) -> None:
        pass

    async def take(self, username: str, tape: str) -> int | None:
        return None

    def epoch_of(self, tape: str) -> int | None:
        return None

    def stale(self, tape: str) -> None:
        pass


class TapeEpochs:
    """Which tape each recording of this run is, and so under which epoch its row is written."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._tapes: dict[int, str] = {}

    def begun(self, recording: int, tape: str) -> None:
        """The recording has begun, or goes on after a restart."""
        self._tapes[recording] = tape

    def of(self, recording: int) -> int | None:
        """The epoch; None: write without."""
        return self._fence.epoch_of(self._tapes[recording]) if recording in self._tapes else None

    @property
    def recordings(self) -> Collection[int]:
        """Those of which something is still to be written."""
        return list(self._tapes)

    def over(self, recording: int) -> None:
        """Nothing more is written about it."""
        self._tapes.pop(recording, None)
