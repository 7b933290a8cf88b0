"""Notes on the disk of what is being sent to S3, so that what a kill has cut off is sent anew there, or deleted there."""

import contextlib
import re
from pathlib import Path

NOTES = "recordings/.sending"  # from storage.path: a file for each folder that is being sent, with its place in S3
_MARK = re.compile(r"/[0-9a-f]{16}")


class SendingNotes:
    """Owns the folder of notes. Where the disk takes none, sending goes on without. Not for the loop."""

    def __init__(self, storage: Path) -> None:
        self._folder = storage / NOTES

    def read(self) -> dict[str, str]:
        """Folder, as rows name it -> place, of what an earlier run was sending; a note that was not written to its end is left out."""
        found = {}
        with contextlib.suppress(OSError):
            for note in self._folder.iterdir():
                folder, place = f"{self._folder.parent.name}/{note.name}", note.read_text()
                if place.startswith(folder) and _MARK.fullmatch(place.removeprefix(folder)):
                    found[folder] = place
        return found

    def add(self, folder: str, place: str) -> None:
        """It is going to be sent to that place."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            (self._folder / Path(folder).name).write_text(place)

    def remove(self, folder: str) -> None:
        """It is noted in the database, or nothing of it is in S3."""
        with contextlib.suppress(OSError):
            (self._folder / Path(folder).name).unlink(missing_ok=True)
            self._folder.rmdir()  # unless others are there
