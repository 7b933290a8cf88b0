"""`run.py upgrade-check FOLDER`: whether the version in FOLDER can take over this installation. Changes nothing; a server may be running.

The new version itself opens a copy of the rows, with the settings of now. One line for each finding; exit 1 if anything is broken.
"""

import argparse
import configparser
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from db import row_copy
from db.errors import NoRows, Unavailable, Unusable
from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config
from web.app import DATABASE
from web.cli.doctor import BROKEN, GOOD, WARNING, Finding
from web.cli.storing import rows_of
from web.private_folder import private
from web.serve import CONFIG_FILE
from workers.disk_room import MB, DiskRoom
from workers.root import ROOT, module_command

TRIAL = ".upgrade-check-"  # a folder in storage.path
TRIAL_S = 300.0  # for the new version to bring a copy of the rows to its schema
ENVIRONMENT = 400 * MB  # what an environment takes on the disk, roughly
LOCKS = Path("web/install/locks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if anything is broken, else 0."""
    parser = argparse.ArgumentParser(prog="run.py upgrade-check", description=__doc__.split("\n")[2], allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a checkout of the new version")
    given = parser.parse_args(arguments)
    broken = False
    try:
        for state, text in _findings(given.config, given.folder.resolve()):
            print(f"{state:8} {text}")
            broken |= state == BROKEN
    except (ConfigError, Unusable, Unavailable) as error:
        print(f"{BROKEN:8} {error}")
        return 1
    except OSError as error:
        print(f"{BROKEN:8} {error.filename or given.folder}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        print("\nhushcast: interrupted; nothing was changed", file=sys.stderr)
        return 130
    return int(broken)


def _findings(settings: Path, folder: Path) -> Iterator[Finding]:
    version = version_of(folder)
    if version is None:
        yield Finding(BROKEN, f"Version: {folder} is no checkout of Hushcast.")
        return
    yield Finding(GOOD, f"Version: {version} is in {folder}, and {version_of(ROOT)} here.")
    config = load(settings)
    if config.storage.s3_url:
        yield Finding(GOOD, "S3: recordings' files there stay as they are; the rows say where, and a restored copy of the rows does too.")
    changed = yield from _packages(folder)
    yield from room(config, ROOT, ENVIRONMENT if changed else 0)
    yield from rows(config, settings, folder, lacking=changed)


def version_of(folder: Path) -> str | None:
    """None where there is no Hushcast."""
    written = configparser.ConfigParser(interpolation=None)
    try:
        written.read(folder / "setup.cfg", encoding="utf-8")
        named = written["metadata"]["name"] == "hushcast" and (folder / "run.py").is_file() and (folder / LOCKS).is_dir()
        return written["metadata"]["version"] if named else None
    except (configparser.Error, KeyError, UnicodeError):
        return None


def _packages(folder: Path) -> Generator[Finding, None, bool]:
    """Gives the findings; returns whether packages have to be fetched."""
    name = f"py{sys.version_info.major}{sys.version_info.minor}.txt"
    if not (folder / LOCKS / name).is_file():
        others = ", ".join(sorted(each.stem for each in (folder / LOCKS).glob("py*.txt")))
        yield Finding(WARNING, f"Python: there is no lock for this one ({name[:-4]}); its first start looks for one of {others}.")
        return True
    new, old = (set((root / LOCKS / name).read_text(encoding="utf-8").splitlines()) for root in (folder, ROOT))
    wanted = sum(1 for line in new - old if line and not line.startswith("#"))
    if wanted:
        yield Finding(WARNING, f"Packages: {wanted} are other than here; its first start fetches them, so the index has to be reachable.")
    else:
        yield Finding(GOOD, "Packages: the same as here.")
    return wanted > 0


def room(config: Config, root: Path, environment: int) -> Iterator[Finding]:
    """Whether copies of the rows fit into storage.path, and so many bytes of an environment into `root`."""
    file = config.storage.path / DATABASE
    for place, wanted in ((config.storage.path, 3 * file.stat().st_size if file.exists() else 0), (root, environment)):
        if not DiskRoom(place, config.storage.floor_mb * MB).has(wanted):
            text = f"{place} needs {wanted / MB:.0f} MB above storage.floor_mb, and {shutil.disk_usage(place).free / MB:.0f} MB are free"
            yield Finding(BROKEN, f"Room: {text}.")
            return
    yield Finding(GOOD, "Room: there is enough.")


def rows(config: Config, settings: Path, folder: Path, *, python: str = sys.executable, lacking: bool = False) -> Iterator[Finding]:
    """The version in `folder` opens a copy of the rows with this Python; lacking: this one may not have all of its packages."""
    storage = config.storage.path
    _clear(storage)
    if not config.database.url and not (storage / DATABASE).exists():
        yield Finding(GOOD, f"Rows: there are none in {storage}.")
        return
    try:
        source = rows_of(config)
        size = source.size()
        if not DiskRoom(storage, config.storage.floor_mb * MB).has(3 * size):
            yield Finding(BROKEN, f"Room: the rows take {size / MB:.0f} MB; {storage} needs three times that above storage.floor_mb.")
            return
        with private(storage), tempfile.TemporaryDirectory(prefix=TRIAL, dir=storage) as trial:
            copy = Path(trial) / DATABASE
            before = source.take(copy)
            said = _tried(settings, folder, trial, python)
            more = sorted(set(row_copy.applied_in(copy)) - set(before))
    except NoRows:
        yield Finding(GOOD, "Rows: there are none in database.url.")
        return
    if said and lacking and "Module" in said:
        yield Finding(WARNING, f"Rows: not tried, for the new version needs its packages first ({said}).")
    elif said:
        yield Finding(BROKEN, f"Rows: the new version refuses a copy of them: {said}")
    else:
        kind = "a copy of them, as SQLite has them," if config.database.url else "a copy of them"
        schema = f"brings {kind} to its schema ({', '.join(more)})" if more else f"opens {kind.rstrip(',')}; the schema is the same"
        yield Finding(GOOD, f"Rows, settings: the new version reads {settings} and {schema}.")


def _clear(storage: Path) -> None:
    """Remove the copies of checks that were killed: those that are older than a check can be."""
    for left in storage.glob(f"{TRIAL}*"):
        with suppress(FileNotFoundError):
            if time.time() - left.lstat().st_mtime > 2 * TRIAL_S:
                shutil.rmtree(left, ignore_errors=True)


def paths_of(folder: Path) -> str:
    """PYTHONPATH for the version in `folder`: it stands in the place of this one."""
    others = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and Path(each).resolve() != ROOT]
    return os.pathsep.join((str(folder), *others))


def _tried(settings: Path, folder: Path, trial: str, python: str) -> str:
    """What the new version says against these settings and the rows in `trial`; "" where it opens them."""
    alone = {f"HUSHCAST_{name}_URL": "" for name in ("DATABASE", "REDIS", "NODE")}  # the copy is a file, with one server
    environment = {**os.environ, **alone, "PYTHONPATH": paths_of(folder), "HUSHCAST_STORAGE_PATH": trial}
    command = module_command("web.cli.accounts", "--config", settings.absolute(), "user", "list", python=python)
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", timeout=TRIAL_S)
    except subprocess.TimeoutExpired:
        return f"it has not ended after {TRIAL_S:.0f} s"
    lines = [line for line in done.stderr.replace(trial, "COPY").splitlines() if line.strip()]
    return "" if done.returncode == 0 else (lines or [f"status {done.returncode}"])[-1]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a supervisor that stops it leaves no copy either
    raise SystemExit(main())
