"""`run.py backup FILE`: accounts, keys and recordings of a server, which may be running, in one file; `--verify` reads one again."""

import argparse
import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

from db import row_copy
from db.errors import NoRows
from db.on_disk import on_disk
from db.row_copy import RowSource
from sfu.config.load import load
from sfu.config.schema import Config
from web.app import DATABASE
from web.cli.backup_content import OpenFile, files_beside
from web.cli.backup_file import BackupReader, BackupRefused, BackupWriter
from web.cli.backup_recordings import PackedRecordings
from web.cli.progress_bar import ProgressBar
from web.cli.storing import in_one_line, rows_of, version
from web.private_folder import private
from web.serve import CONFIG_FILE, named
from workers.disk_room import MB


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, 1 where it was not done, 2 for a bad setting or database."""
    parser = argparse.ArgumentParser(
        prog="run.py backup",
        description="Accounts, keys, settings and recordings in one file that only its owner can read; the server may be running.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    parser.add_argument("--verify", action="store_true", help="read a backup to its end instead, and compare each file with the manifest")
    parser.add_argument("file", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    if given.verify:
        return in_one_line(lambda: _told(given.file), given.file, "not a good backup")
    return in_one_line(lambda: _back_up(given.config, given.file), given.file, "no backup was made")


def _told(file: Path) -> int:
    version_of, files = _verified(file)
    print(f"{file}: {files} files of version {version_of}, each as it was backed up.")
    return 0


def _back_up(settings: Path, file: Path) -> int:
    config = load(settings)
    if os.path.lexists(file):
        raise BackupRefused("it is there already; name another file")
    if not file.absolute().parent.is_dir():
        raise BackupRefused("there is no such folder")
    storage, source = config.storage.path, rows_of(config)
    if not storage.exists():
        raise NoRows(f"{storage} is missing: there is nothing to back up")
    stem = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    draft, copy = stem.with_name(f"{stem.name}.part"), stem.with_name(f"{stem.name}.db")
    with private(storage):
        try:
            copy.touch(0o600, exist_ok=False)  # says by its name where this cannot be written, which SQLite does not
            packed = _pack(config, source, settings, draft, copy)
            on_disk(draft)
            _verified(draft)
            _place(draft, file)
            on_disk(file.absolute().parent)
        finally:
            for each in (draft, *(Path(f"{copy}{suffix}") for suffix in ("", "-journal", "-wal", "-shm"))):
                each.unlink(missing_ok=True)
    _say(file, packed)
    return 0


def _pack(config: Config, source: RowSource, settings: Path, draft: Path, copy: Path) -> PackedRecordings:
    """Rows first, as they are at one moment, then the files that they name; the copy of the rows is written last."""
    storage = config.storage.path
    node = named(config, config.http.port).node.name if config.node.url else ""
    applied = source.take(copy)
    rows = row_copy.recordings_of(copy)
    packed = PackedRecordings(storage, node, source, copy)
    with (
        draft.open("xb") as out,
        BackupWriter(out, version(), applied) as writer,
        ProgressBar("packing", packed.sizes(rows) + copy.stat().st_size) as bar,
    ):

        def write(given: OpenFile) -> None:
            for length in writer.add(*given):
                bar.add(length)

        packed.pack(rows, write)
        for name, path in (*files_beside(storage, settings), (DATABASE, copy)):
            with path.open("rb") as opened:
                write(OpenFile(name, opened, os.fstat(opened.fileno()).st_size))
        writer.finish()
    return packed


def _place(draft: Path, file: Path) -> None:
    """Give it its name; unlike a rename, a link replaces nothing that came meanwhile."""
    try:
        os.link(draft, file)
    except FileExistsError:
        raise BackupRefused("it is there already; name another file") from None
    except OSError:  # the file system has no hard links
        draft.rename(file)


def _verified(path: Path) -> tuple[str, int]:
    """Read a backup to its end; the version that made it and how many files it has. Raises BackupRefused, OSError."""
    with path.open("rb") as file, ProgressBar("verifying", path.stat().st_size) as bar:
        reader, names = BackupReader(file), set()
        for member in reader.members():
            for _ in member.pieces:
                bar.reach(file.tell())
            names.add(member.name)
    if DATABASE not in names:
        raise BackupRefused(f"there is no {DATABASE} in it")
    return reader.version, len(names)


def _say(file: Path, packed: PackedRecordings) -> None:
    print(f"{file}: the accounts and {packed.recordings} recordings, {file.stat().st_size / MB:.1f} MB, read again and found good.")
    if packed.on_air:
        print(f"{packed.on_air} recordings on air are in it as far as they were.")
    if packed.deleted:
        print(f"{packed.deleted} recordings were deleted meanwhile and are not in it.")
    if packed.in_s3:
        print(f"The files of {packed.in_s3} recordings are in S3 and not in it: they stay there, and a restore finds them there.")
    for what, count, servers in (("The files", packed.elsewhere, packed.others), ("Parts", packed.in_pieces, packed.parts_at)):
        if count:
            print(f"{what} of {count} recordings are at other servers ({', '.join(sorted(servers))}) and not in it: back up there too.")
    if packed.without_files:
        print(f"These recordings have no files, in storage.path neither: {', '.join(map(str, packed.without_files))}.")
    print("It contains keys and password hashes: keep it as safe as the server.")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a supervisor that stops it leaves no drafts either
    raise SystemExit(main())
