"""Make .venv and .venv-torch from the locks: the same packages for everybody, each with its hash. A stamp tells a finished one."""

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
from web.install.stamps import RECIPE, ROOT, Environment, fingerprint, sections

GRACE_S = 5.0  # for what runs beside an installation and is nearly there
NAMES = {"base": "packages", "test": "packages of the tests", "cuda": "packages around torch", "reference": "packages around torch"}
# Parts for which not every Python will do. deepfilterlib has no wheels after 3.11.
PYTHONS = {"reference": ("3.11",)}


def ensure(environment: Environment, parts: Sequence[str], meanwhile: Sequence[str] = ()) -> None:
    """Return once these parts, and "base" before all, are installed. Raises Failed, whose text is one line.

    meanwhile: arguments of the environment's Python for a program that needs no package but pip, and may be ended at any time.
    """
    wanted = ["base", *(part for part in parts if part != "base")]
    if environment.has(wanted):
        return
    refused = unusable()
    if refused:
        raise Failed(refused)
    with _one_line_for_a_disk(environment), _alone():
        if not environment.has(wanted):  # somebody else may have made it while we waited
            _make(environment, wanted, meanwhile)


@contextlib.contextmanager
def _one_line_for_a_disk(environment: Environment) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"cannot make {environment.folder}: {error.strerror or error}; when that is mended, start again") from error


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One at a time: two starts at once would install into each other's folder.

    Who installs inherits the lock: a start that is killed may leave its pip at work, and the next one waits for that.
    """
    handle = os.open(str(ROOT), os.O_RDONLY)
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
    """Add what is missing; begin anew where what is there is half-made, of another build, or of a Python that will not do."""
    _bring_back(environment)
    stamps = environment.stamps()
    wanted = [*wanted, *(part for part in NAMES if part in stamps and part not in wanted)]  # what was asked for once is kept up to date
    version, versions = stamps.get("python", ""), _pythons(wanted)
    if not sections(version) or version_of(str(environment.python)) != version:
        _remove(environment)
        stamps, version = {}, ""
    elif version not in versions:  # it works, so it stays until there is another Python
        environment.folder.rename(_before(environment).folder)
        stamps, version = {}, ""
    environment.folder.mkdir(exist_ok=True)
    environment.unfinished.write_text("the next start of run.py removes this folder and begins again\n")
    try:
        version = version or _begun(environment, versions)
        done = {part: stamps[part] for part in wanted if stamps.get(part) == fingerprint(version, part) != ""}
        _install(environment, {"recipe": RECIPE, "python": version, **done}, [part for part in wanted if part not in done], meanwhile)
    except Failed as failure:
        if not failure.touched:  # it is as it was before
            environment.unfinished.unlink()
        raise
    environment.unfinished.unlink()
    say(f"{environment.folder.name} is ready")


def _begun(environment: Environment, versions: Sequence[str]) -> str:
    """The Python with which the environment is made anew; where there is none, what was there before is there again. Raises Failed."""
    try:
        version = make_environment(environment.folder, versions)
    except Failed:
        _bring_back(environment)
        raise
    _remove(_before(environment), "was made with another Python")
    return version


def _before(environment: Environment) -> Environment:
    """Where a whole environment waits until there is a Python for the one that takes its place."""
    return Environment(environment.folder.with_name(environment.folder.name + ".before"))


def _bring_back(environment: Environment) -> None:
    """Put it in its place again, after a failure or a kill."""
    before = _before(environment)
    if before.stamps():
        _remove(environment)
        before.folder.rename(environment.folder)
    else:
        _remove(before)


def _pythons(parts: Sequence[str]) -> Sequence[str]:
    return [version for version in VERSIONS if all(version in PYTHONS.get(part, VERSIONS) for part in parts)]


def _remove(environment: Environment, why: str = "cannot be used") -> None:
    if environment.folder.is_symlink():  # somebody put it there; what it leads to is theirs
        environment.folder.unlink()
    elif environment.folder.exists():
        say(f"removing {environment.folder.name}, which {why}")
        with contextlib.suppress(FileNotFoundError):
            environment.stamp.unlink()  # first: what is removed by halves is not whole
        shutil.rmtree(str(environment.folder))


def _install(environment: Environment, stamps: dict[str, str], parts: Sequence[str], meanwhile: Sequence[str]) -> None:
    """One part after the other, each with its line in the stamp."""
    version = stamps["python"]
    locked = sections(version)
    for part in parts:
        if not fingerprint(version, part):
            raise Failed(f"there is no {part} for Python {version}")
        if part == "base":
            _install_pip(environment, locked["base"])
        with _running(environment, meanwhile if part == "base" else ()), Pip(environment.python) as pip:
            if part in torch_build.PARTS:
                torch_build.install(pip, environment.python, locked["torch"], with_cuda=part == "cuda")
            say(f"installing {len(locked[part])} {NAMES[part]}")
            pip.install(locked[part])
        _compile(environment)
        stamps[part] = fingerprint(version, part)
        _write_stamp(environment, stamps)


def _install_pip(environment: Environment, locked: Sequence[str]) -> None:
    """The pip that is locked, first: the one that came with Python is years old, and takes twice as long for the rest."""
    lines = [line for line in locked if line.startswith("pip==")]
    if lines:
        with Pip(environment.python) as pip:
            pip.install(lines)


@contextlib.contextmanager
def _running(environment: Environment, arguments: Sequence[str]) -> Iterator[None]:
    """A program beside the installation; the server does what it has not come to."""
    if not arguments:
        yield
        return
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    nothing = subprocess.DEVNULL
    process = subprocess.Popen([str(environment.python), "-P", *arguments], env=variables, stdin=nothing, stdout=nothing, stderr=nothing)
    try:
        yield
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    finally:
        process.terminate()
        process.wait()


def _compile(environment: Environment) -> None:
    """Byte code, on all cores and not one package after the other as pip does; nobody imports the packages' own tests."""
    folder = str(environment.folder / "lib")
    command = [str(environment.python), "-m", "compileall", "-q", "-j", "0", "-x", re.escape(folder) + r".*/tests?/", folder]
    subprocess.call(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False
    )  # templates in other Pythons' syntax do not compile


def _write_stamp(environment: Environment, stamps: dict[str, str]) -> None:
    draft = environment.stamp.with_suffix(".new")
    draft.write_text(json.dumps(stamps))
    os.replace(str(draft), str(environment.stamp))
