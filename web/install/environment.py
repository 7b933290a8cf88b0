"""Makes .venv and .venv-torch from the locks: the same packages everywhere, each with its hash. A stamp marks a finished one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
from typing import Iterator, Sequence

from web.install import torch_build
from web.install.messages import Failed, say
from web.install.pip import Pip
from web.install.platforms import unusable
from web.install.pythons import VERSIONS, make_environment, version_of
from web.install.stamps import LOCKS, RECIPE, ROOT, VENV_TORCH, Environment, fingerprint, sections

MEANWHILE_EXTRA_S = 5.0  # that the program beside an installation may take longer than it
LABELS = {
    "base": "packages",
    "test": "packages of the tests",
    "nodes": "packages for several servers",
    "acme": "packages for certificates by ACME",
    "cuda": "packages around torch",
    "reference": "packages around torch",
}
# Parts that need certain Pythons. deepfilterlib has no wheels after 3.11.
PYTHONS = {"reference": ("3.11",)}


def ensure(environment: Environment, parts: Sequence[str], meanwhile: Sequence[str] = ()) -> None:
    """Install what is missing of these parts and of "base", which comes first. Raises Failed, whose text is one line.

    meanwhile: arguments of the environment's Python; the program runs beside the installation of "base", needs no package but pip, and
    may be ended at any time.
    """
    wanted = ["base", *(part for part in parts if part != "base")]
    if environment.has(wanted):
        return
    refused = unusable()
    if refused:
        raise Failed(refused)
    with _os_errors_as_failed(environment), _locked(environment):
        if not environment.has(wanted):  # another start may have made it while this one waited
            _make(environment, wanted, meanwhile)


@contextlib.contextmanager
def _os_errors_as_failed(environment: Environment) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"cannot make {environment.folder}: {error.strerror or error}; mend that and start again") from error


@contextlib.contextmanager
def _locked(environment: Environment) -> Iterator[None]:
    """Hold a lock, so that two starts do not install into one folder; torch's environment, which can be made beside the other, has its own.

    Child processes inherit it: where a start is killed and its pip goes on, the next start waits for that pip.
    """
    handle = os.open(str(LOCKS if environment.folder == VENV_TORCH.folder else ROOT), os.O_RDONLY)
    os.set_inheritable(handle, True)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is installing; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(environment: Environment, wanted: Sequence[str], meanwhile: Sequence[str]) -> None:
    """Add what is missing. An environment that is incomplete, of another recipe or of an unusable Python is made again."""
    _restore_previous(environment)
    stamps = environment.stamps()
    wanted = [*wanted, *(part for part in LABELS if part in stamps and part not in wanted)]  # what is installed is updated too
    version, versions = stamps.get("python", ""), _usable_pythons(wanted)
    if not sections(version) or version_of(str(environment.python)) != version:
        _remove(environment)
        stamps, version = {}, ""
    elif version not in versions:  # it works, so it is kept until another Python is found
        environment.folder.rename(_previous(environment).folder)
        stamps, version = {}, ""
    environment.folder.mkdir(exist_ok=True)
    environment.unfinished.write_text("the next start of run.py removes this folder and begins again\n")
    try:
        version = version or _create(environment, versions)
        done = {part: stamps[part] for part in wanted if stamps.get(part) == fingerprint(version, part) != ""}
        _install(environment, {"recipe": RECIPE, "python": version, **done}, [part for part in wanted if part not in done], meanwhile)
    except Failed as failure:
        if not failure.touched:  # nothing was changed
            environment.unfinished.unlink()
        raise
    environment.unfinished.unlink()
    say(f"{environment.folder.name} is ready")


def _create(environment: Environment, versions: Sequence[str]) -> str:
    """Make the environment and return the version of its Python. Where there is none, restores the previous one and raises Failed."""
    try:
        version = make_environment(environment.folder, versions)
    except Failed:
        _restore_previous(environment)
        raise
    _remove(_previous(environment), "was made with another Python")
    return version


def _previous(environment: Environment) -> Environment:
    """Where a complete environment is kept until the one that replaces it has its Python."""
    return Environment(environment.folder.with_name(environment.folder.name + ".before"))


def _restore_previous(environment: Environment) -> None:
    """Move the previous environment back, after a failure or a kill."""
    previous = _previous(environment)
    if previous.stamps():
        _remove(environment)
        previous.folder.rename(environment.folder)
    else:
        _remove(previous)


def _usable_pythons(parts: Sequence[str]) -> Sequence[str]:
    return [version for version in VERSIONS if all(version in PYTHONS.get(part, VERSIONS) for part in parts)]


def _remove(environment: Environment, why: str = "cannot be used") -> None:
    if environment.folder.is_symlink():  # of the user's own; its target is not ours to delete
        environment.folder.unlink()
    elif environment.folder.exists():
        say(f"removing {environment.folder.name}, which {why}")
        with contextlib.suppress(FileNotFoundError):
            environment.stamp.unlink()  # first, so that a folder that is half removed does not count as complete
        shutil.rmtree(str(environment.folder))


def _install(environment: Environment, stamps: dict[str, str], parts: Sequence[str], meanwhile: Sequence[str]) -> None:
    """Install one part after the other; after each the stamp is written."""
    version = stamps["python"]
    locked = sections(version)
    for part in parts:
        if not fingerprint(version, part):
            raise Failed(f"there is no {part} for Python {version}")
        if part == "base":
            _install_pip(environment, locked["base"])
        with _running_beside(environment, meanwhile if part == "base" else ()), Pip(environment.python) as pip:
            if part in torch_build.PARTS:
                torch_build.install(pip, environment.python, locked["torch"], with_cuda=part == "cuda")
            say(f"installing {len(locked[part])} {LABELS[part]}")
            pip.install(locked[part])
        _compile(environment)
        stamps[part] = fingerprint(version, part)
        _write_stamp(environment, stamps)


def _install_pip(environment: Environment, locked: Sequence[str]) -> None:
    """Install the locked pip first: the one that came with Python may be years old, and takes twice as long for the rest."""
    lines = [line for line in locked if line.startswith("pip==")]
    if lines:
        with Pip(environment.python) as pip:
            pip.install(lines)


@contextlib.contextmanager
def _running_beside(environment: Environment, arguments: Sequence[str]) -> Iterator[None]:
    """Run a program within the context. What it does not finish in time the server does later."""
    if not arguments:
        yield
        return
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    nothing = subprocess.DEVNULL
    process = subprocess.Popen([str(environment.python), "-P", *arguments], env=variables, stdin=nothing, stdout=nothing, stderr=nothing)
    try:
        yield
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(MEANWHILE_EXTRA_S)
    finally:
        process.terminate()
        process.wait()


def _compile(environment: Environment) -> None:
    """Compile to byte code on all cores; pip would use one. The packages' own tests are left out, because nothing imports them."""
    folder = str(environment.folder / "lib")
    command = [str(environment.python), "-m", "compileall", "-q", "-j", "0", "-x", re.escape(folder) + r".*/tests?/", folder]
    # its status does not count: some packages have templates in the syntax of other Pythons
    subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False)


def _write_stamp(environment: Environment, stamps: dict[str, str]) -> None:
    draft = environment.stamp.with_suffix(".new")
    draft.write_text(json.dumps(stamps))
    os.replace(str(draft), str(environment.stamp))
