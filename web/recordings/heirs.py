"""Recordings of a server that does not come back: where parts of them lie elsewhere, another server takes the row, and joins those."""

import logging
import time

from db import recording_parts
from db.connection import Database
from web.recordings.part_files import PartFiles

logger = logging.getLogger(__name__)

AWAY_S = 3600.0  # for so long what cannot be had is waited for; each server counts by its own clock, and anew after a restart
LOOK_S = 10.0  # between two looks at who is away


def waited_enough(since_s: float) -> bool:
    """Whether AWAY_S have gone by since then, on the monotonic clock."""
    return time.monotonic() - since_s >= AWAY_S


class Heir:
    """Knows since when servers are away that have recordings of which parts lie elsewhere. inherited: the recordings that were taken from
    them and are not joined yet; after a restart those wait like any other.
    """

    def __init__(self, database: Database, files: PartFiles, node: str) -> None:
        self.inherited: set[int] = set()
        self._database, self._files, self._node = database, files, node
        self._since: dict[str, float] = {}  # server -> since when it is away
        self._looked = -LOOK_S

    async def look(self) -> None:
        """Take what has been left for AWAY_S. Raises Unavailable."""
        now_s = time.monotonic()
        if self._files.is_away is None or now_s - self._looked < LOOK_S:
            return
        self._looked = now_s
        left = await self._database.read(recording_parts.at_others, self._node)
        away = {node for node in {node for _, node in left} if self._files.is_away(node)}
        self._since = {node: self._since.get(node, now_s) for node in away}
        for recording, node in left:
            if node in away and waited_enough(self._since[node]):
                await self._take(recording, node)

    async def _take(self, recording: int, node: str) -> None:
        if await self._database.run(recording_parts.inherit, recording, node, self._node):
            self.inherited.add(recording)
            logger.warning(
                "recording %s: server %s, which had it, does not come back; it becomes what the others have of it", recording, node
            )
