"""`run.py upgrade VERSION` puts a new version beside the one that runs, tries it, and switches by a rename; `--back` goes back.

A server that is running is left alone: it goes on with the version that it was started with.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sfu.config.load import load
from web.cli import upgrade_back, version_folder
from web.cli.backup_file import BackupRefused
from web.cli.doctor import BROKEN, Finding
from web.cli.storing import in_one_line, version
from web.cli.upgrade_check import ENVIRONMENT, paths_of, room, rows, version_of
from web.install.stamps import VENV, VENV_TORCH
from web.install.versions import BASE, VERSIONS
from web.serve import CONFIG_FILE

UNDONE = "the version that runs is the same as before"
PARTS = ("nodes", "acme", "cuda", "reference")  # of the environments, which the new version gets too where this one has them
KNOWS_VERSIONS = Path("web/install/versions.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, 1 where it was not done, 2 for a bad setting, a database that cannot be used or a server that is running."""
    parser = argparse.ArgumentParser(
        prog="run.py upgrade",
        description="Put a new version beside this one, try it on a copy of the rows, and switch. A server may be running.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    parser.add_argument("--back", action="store_true", help="switch to the version before, with the rows that it can read")
    parser.add_argument("--set-aside", action="store_true", help="with --back: move what was written since into a file beside the rows")
    parser.add_argument("version", nargs="?", metavar="VERSION", help="a folder, an archive, or a commit of the checkout for git")
    given = parser.parse_args(arguments)
    if given.back == (given.version is not None) or (given.set_aside and not given.back):
        parser.error("this is written `run.py upgrade VERSION` or `run.py upgrade --back [--set-aside]`")
    if given.back:
        return in_one_line(lambda: upgrade_back.go_back(given.config, given.set_aside), BASE, UNDONE)
    return in_one_line(lambda: _upgrade(given.config, given.version), Path(given.version), UNDONE)


def _upgrade(settings: Path, source: str) -> int:
    load(settings)
    with version_folder.held():
        version_folder.clean()
        folder = VERSIONS / f"new-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        switched = False
        try:
            version_folder.put(source, folder)
            switched = _taken_over(settings, folder)
        finally:
            if not switched:
                shutil.rmtree(folder, ignore_errors=True)
    if not switched:
        print(f"hushcast: not upgraded: {UNDONE}", file=sys.stderr)
        return 1
    print(f"Version {version_of(folder)} is in the place of {version()}. A running server goes on with the old one until it is restarted")
    print("(`systemctl restart hushcast`); its first start changes the rows and keeps a copy of them. Back: `run.py upgrade --back`.")
    return 0


def _taken_over(settings: Path, folder: Path) -> bool:
    """Make the environment of the version in `folder`, try it, and switch to it; whether nothing was broken."""
    config = load(settings)
    if version_of(folder) is None:
        raise BackupRefused("it has no Hushcast in it")
    if not (folder / KNOWS_VERSIONS).is_file():
        raise BackupRefused(f"its version {version_of(folder)} is from before `run.py upgrade`, which could not lead back")
    if not _good(room(config, BASE, ENVIRONMENT)):
        return False
    command = [sys.executable, str(folder / "run.py"), "install", "base", *_parts()]
    if subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": paths_of(folder)}).returncode:
        raise BackupRefused("its environment could not be made (the lines above say why)")
    if not _good(rows(config, settings, folder, python=str(folder / ".venv" / "bin" / "python"))):
        return False
    version_folder.mark(folder)
    version_folder.switch(folder)
    return True


def _parts() -> list[str]:
    stamps = {**VENV_TORCH.stamps(), **VENV.stamps()}
    return [part for part in PARTS if part in stamps]


def _good(findings: Iterable[Finding]) -> bool:
    """Print them; whether nothing is broken."""
    good = True
    for state, text in findings:
        print(f"{state:8} {text}")
        good &= state != BROKEN
    return good


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a supervisor that stops it leaves nothing half done either
    raise SystemExit(main())
