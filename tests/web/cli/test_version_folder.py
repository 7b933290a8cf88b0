"""Archives of versions: unpacked as they are, and refused where they lead out of their folder, with each way that Python has."""

import io
import tarfile
from pathlib import Path

import pytest

from web.cli import version_folder
from web.cli.backup_file import BackupRefused


@pytest.fixture(params=["filter", "no filter"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """no filter: as before Python 3.11.4."""
    if request.param == "no filter":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        plain = tarfile.TarFile.extractall
        monkeypatch.setattr(tarfile.TarFile, "extractall", lambda self, path, members: plain(self, path, members, filter="fully_trusted"))
    return str(request.param)


def archive(folder: Path, *members: tuple[str, bytes, str]) -> Path:
    """name, kind, target of a link."""
    place = folder / "version.tar"
    with tarfile.open(place, "w") as file:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = 3 if kind == tarfile.REGTYPE else 0
            file.addfile(member, io.BytesIO(b"run"[: member.size]))
    return place


def test_a_version(python: str, tmp_path: Path) -> None:
    """The one folder around everything is left out; links within stay links."""
    file = archive(tmp_path, ("v/run.py", tarfile.REGTYPE, ""), ("v/a/link", tarfile.SYMTYPE, "../run.py"))
    version_folder.put(str(file), tmp_path / "new")
    assert (tmp_path / "new" / "a" / "link").read_text() == "run"


@pytest.mark.parametrize(
    "member",
    [
        ("v/../../out", tarfile.REGTYPE, ""),
        ("v/link", tarfile.SYMTYPE, "../../out"),
        ("v/link", tarfile.SYMTYPE, "/etc/passwd"),
        ("v/hard", tarfile.LNKTYPE, "../out"),
        ("v/pipe", tarfile.FIFOTYPE, ""),
    ],
)
def test_what_leads_out(member: tuple[str, bytes, str], python: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BackupRefused):
        version_folder.put(str(archive(tmp_path, member)), tmp_path / "in" / "new")
    assert not (tmp_path / "in" / "out").exists() and not (tmp_path / "out").exists()
