"""Host names by which the owner has reached this server. They are stored, so their addresses are offered again after a restart."""

import asyncio
import json
import logging
import os
from collections import OrderedDict
from pathlib import Path

logger = logging.getLogger(__name__)

MOST_KEPT = 8  # one more replaces the oldest


class KnownNames:
    """At most MOST_KEPT names with their addresses. The names are stored in a file; without one they last until the process ends."""

    def __init__(self, file: Path | None = None) -> None:
        self.addresses: OrderedDict[str, tuple[str, ...]] = OrderedDict()  # () until the first lookup of a stored name succeeds
        self._file = file

    async def load(self) -> None:
        """Read the stored names. A damaged file counts as empty."""
        names = await asyncio.to_thread(_read, self._file) if self._file is not None else []
        self.addresses.update((name, ()) for name in names[-MOST_KEPT:])

    async def keep(self, name: str, addresses: tuple[str, ...]) -> None:
        """Add or renew a name with its addresses, and store it if the file can be written."""
        self.addresses[name] = addresses
        self.addresses.move_to_end(name)
        if len(self.addresses) > MOST_KEPT:
            self.addresses.popitem(last=False)
        if self._file is not None:
            await asyncio.to_thread(_write, self._file, list(self.addresses))

    def renew(self, name: str, addresses: tuple[str, ...]) -> None:
        """The name has other addresses now. Does nothing where it was replaced meanwhile."""
        if name in self.addresses:
            self.addresses[name] = addresses


def _read(file: Path) -> list[str]:
    try:
        names = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _write(file: Path, names: list[str]) -> None:
    part = file.with_suffix(".part")
    try:
        with open(part, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            json.dump(names, out)
        part.replace(file)
    except OSError as error:  # such as a full disk: the names then last until the next restart
        logger.warning("%s: cannot be written: %s", file.name, error.strerror)
