"""Packs the recordings that the rows name: their files that are here, and what is to be said of those whose files are not."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from db import row_copy
from db.row_copy import Kept, KeptFolder, RowSource
from web.cli.backup_content import OpenFile, files_of

LOOKS = 3  # at rows of a recording that change meanwhile


class PackedRecordings:
    """Packs one recording after the other, and counts. Rows of what has changed since the copy was made are taken anew."""

    def __init__(self, storage: Path, node: str, source: RowSource, copy: Path) -> None:
        """node: this server among several; "": there is one, which has all files. copy: what `source` has given."""
        self._storage, self._node, self._source, self._copy = storage, node, source, copy
        self._moved: set[int] = set()  # to S3
        self.recordings = 0
        self.on_air = 0  # of them so many are in it as far as they were
        self.deleted = 0  # while they were read; they are left out
        self.in_s3 = 0  # they stay there and are not in it
        self.elsewhere = 0  # their files are at the servers `others`
        self.others: set[str] = set()
        self.in_pieces = 0  # their own files are here, and parts that are not joined with them yet at the servers `parts_at`
        self.parts_at: set[str] = set()
        self.without_files: list[int] = []

    def sizes(self, recordings: Sequence[Kept]) -> int:
        """How many bytes there are to pack, roughly."""
        size = 0
        for recording in recordings:
            with ExitStack() as opened:
                size += sum(each.size for place in self._here(recording) for each in files_of(self._storage, place, opened))
        return size

    def pack(self, recordings: Sequence[Kept], write: Callable[[OpenFile], object]) -> None:
        """All of them. Raises what `write` raises, and Unavailable."""
        for recording in recordings:
            self._one(recording, write)
        gone = self._moved - self._source.ids() if self._moved else set()
        row_copy.leave_out(self._copy, gone)
        self.recordings, self.deleted = self.recordings - len(gone), self.deleted + len(gone)
        self.in_s3 = len(self._moved) - len(gone)

    def _one(self, recording: Kept, write: Callable[[OpenFile], object]) -> None:
        now: Kept | None = recording
        for look in range(LOOKS):
            with ExitStack() as opened:
                files = {place: files_of(self._storage, place, opened) for place in self._here(recording)}
                if look < LOOKS - 1 and not all(found or place.folder in recording.stored for place, found in files.items()):
                    now = self._renewed(recording)
                if now == recording:
                    for each in (file for found in files.values() for file in found):
                        write(each)
                    self._count(recording, files)
                    return
            if now is None:
                self.deleted += 1
                return
            recording = now

    def _here(self, recording: Kept) -> list[KeptFolder]:
        """The folders of its files that are to be at this server, or were before there were several."""
        return [place for place in (recording.own, *recording.apart) if not self._node or place.node in ("", self._node)]

    def _renewed(self, recording: Kept) -> Kept | None:
        """None where it has been deleted."""
        return row_copy.recording_of(self._copy, recording.id) if self._source.renew(self._copy, recording.id) else None

    def _count(self, recording: Kept, files: dict[KeptFolder, list[OpenFile]]) -> None:
        own, found = recording.own, files.get(recording.own)
        self.recordings += 1
        apart = {part.node for part in recording.apart if part not in files and part.folder not in recording.stored}
        if apart and own in files:
            self.in_pieces += 1
            self.parts_at |= apart
        if found:
            self.on_air += own.state == "live"
        elif own.folder in recording.stored:
            self._moved.add(recording.id)
        elif own not in files:
            self.elsewhere += 1
            self.others.add(own.node)
        elif own.state == "live":
            self.on_air += 1
        else:
            self.without_files.append(recording.id)
