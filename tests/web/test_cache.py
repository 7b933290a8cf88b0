"""The cache of converted recordings, where files go while it is looked at."""

from pathlib import Path

import pytest

from web.recordings import transcoding
from web.recordings.transcoding import _made_room, _settled
from workers.disk_room import DiskRoom


def test_files_that_go_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording is deleted between the list of files and the look at one (here a name that leads nowhere): the others make room."""
    monkeypatch.setattr(transcoding, "CACHE_BYTES", 10)
    cache, recording = tmp_path / "cache", tmp_path / "7"
    cache.mkdir()
    recording.mkdir()
    for made in ("1-original-1.flac", "7-original-1.flac"):
        (cache / made).write_bytes(bytes(10))
    (cache / "2-original-1.flac").symlink_to(tmp_path / "gone")
    assert _settled(cache / "7-original-1.flac", recording)
    assert [each.name for each in cache.iterdir() if each.exists()] == ["7-original-1.flac"]
    assert not _made_room(cache, DiskRoom(tmp_path, 1 << 60), 1)
    assert not [each for each in cache.iterdir() if each.exists()]
