"""Broadcasts that other servers of the same installation have: what is told of them here. One server alone has `NoElsewhere`."""

from collections.abc import Collection, Mapping
from typing import Any, Literal, Protocol

Status = Mapping[str, Any]


class Elsewhere(Protocol):
    """What the rooms of this server ask about broadcasts at other nodes. `web.signalling.stream_sockets` implements it."""

    def watched(self, username: str) -> None:
        """A socket or a companion session follows this broadcaster from now on; called once for each."""

    def unwatched(self, username: str) -> None:
        """One of them does no longer."""

    def moved(self, username: str) -> None:
        """What was here goes on at another node, which the directory knows."""

    def is_coming(self, username: str) -> bool:
        """Whether the status of a watched broadcaster has been asked for, and will be told soon."""

    def status(self, username: str) -> Status | None:
        """The status of a broadcast at another node as far as it is known here, with its listeners' names; None: it is at no other."""

    async def statuses(self, usernames: Collection[str]) -> Mapping[str, Status]:
        """The statuses, as just asked for, of those among these whose broadcast is at another node; with the listeners' names."""

    async def mute(self, user_id: int, username: str, muted: bool) -> bool:
        """Mute or unmute a user's broadcast at another node; False where there is none."""

    async def cue(self, user_id: int, username: str, at_s: float, kind: Literal["chord", "practice"], text: str) -> bool:
        """Tell a mark to the listeners of a user's broadcast at another node, and keep it as a chapter; False where there is none."""


class NoElsewhere:
    """There are no other servers."""

    def watched(self, username: str) -> None: ...
    def unwatched(self, username: str) -> None: ...
    def moved(self, username: str) -> None: ...
    def is_coming(self, username: str) -> bool:
        return False

    def status(self, username: str) -> Status | None:
        return None

    async def statuses(self, usernames: Collection[str]) -> Mapping[str, Status]:
        return {}

    async def mute(self, user_id: int, username: str, muted: bool) -> bool:
        return False

    async def cue(self, user_id: int, username: str, at_s: float, kind: Literal["chord", "practice"], text: str) -> bool:
        return False


def shown_to(status: Status, *, own: bool) -> dict[str, Any]:
    """A status with the names of the listeners for the broadcaster only."""
    return {**status, "listener_names": status["listener_names"] if own else None}
