"""run.py, on a small checkout of its own: the real script, a real environment, three tiny packages instead of eighty large ones."""

import configparser
import ensurepip
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.running import ROOT

SETUP = """
[options]
install_requires =
    torch==1.0
    tiny=={tiny}
[options.extras_require]
test =
    pytest==1.0
[constraints]
versions =
    held==1.0
"""
NEW_PIP = "99.0"
BUNDLES = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))  # Debian keeps it elsewhere
SERVE = "import sys, tiny, torch; print('serving', *sys.argv[1:], tiny.VERSION, torch.VERSION)"
PYTEST = "import os, sys; print('testing', *sys.argv[1:], os.getcwd())"


class Checkout:
    """A folder with run.py and what it needs, and a shelf of wheels that stands for the package index."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shelf = folder / "checkout", folder / "shelf"
        for place in (self.folder / "web", self.folder / "workers", self.shelf):
            place.mkdir(parents=True)
        shutil.copy(ROOT / "run.py", self.folder)
        shutil.copytree(ROOT / "web" / "install", self.folder / "web" / "install", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "workers" / "interrupt.py", self.folder / "workers")
        for room in ("web", "workers"):
            (self.folder / room / "__init__.py").touch()  # else the one on PYTHONPATH, which the tests run with, would come first
        (self.folder / "web" / "serve.py").write_text(SERVE)
        self.pin("1.0")
        for version in ("1.0", "2.0"):
            self.shelve("tiny", version)
        self.shelve("torch", "1.0+cpu")
        self.shelve("torch", "1.0")
        self.shelve("pytest", "1.0", main=PYTEST)

    def pin(self, tiny: str) -> None:
        (self.folder / "setup.cfg").write_text(SETUP.format(tiny=tiny))

    def shelve(self, name: str, version: str, main: str = "") -> None:
        """Put a wheel on the shelf."""
        with zipfile.ZipFile(self.shelf / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            described = f"{name}-{version}.dist-info"
            wheel.writestr(f"{name}/__init__.py", f"VERSION = '{version}'")
            wheel.writestr(f"{name}/__main__.py", main)
            wheel.writestr(f"{described}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(f"{described}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{described}/RECORD", "")

    def shelve_pip(self) -> None:
        """Put the pip that came with Python on the shelf, with a number of its own."""
        [bundled] = [file for folder in BUNDLES for file in sorted(folder.glob("pip-*.whl"))][:1]
        old = bundled.name.split("-")[1]
        with zipfile.ZipFile(bundled) as source, zipfile.ZipFile(self.shelf / f"pip-{NEW_PIP}-py3-none-any.whl", "w") as wheel:
            for name in source.namelist():
                content = source.read(name)
                if name in ("pip/__init__.py", f"pip-{old}.dist-info/METADATA"):
                    content = content.replace(old.encode(), NEW_PIP.encode())
                wheel.writestr(name.replace(f"pip-{old}.dist-info", f"pip-{NEW_PIP}.dist-info"), content)

    def pip_version(self) -> str:
        """Of the pip in the environment."""
        python = self.folder / ".venv" / "bin" / "python"
        return subprocess.check_output([python, "-m", "pip", "--version"], text=True).split()[1]

    def run(self, *arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of `python3 run.py ARGUMENTS`; uv is not to be had here."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "HUSHCAST_"))}
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.shelf), "PIP_CONFIG_FILE": os.devnull}
        command = [sys.executable, str(self.folder / "run.py"), *arguments]
        said = subprocess.run(command, cwd=cwd or self.folder, env=environment, capture_output=True, text=True, timeout=100)
        return said.returncode, said.stdout, said.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One checkout for all; the tests below leave it with a finished environment."""
    return Checkout(tmp_path_factory.mktemp("run"))


def test_the_first_start_makes_the_environment(checkout: Checkout) -> None:
    """It says what it does, a line a step, and then serves; torch is the build for CPUs."""
    status, said, _ = checkout.run()
    assert status == 0
    assert "run.py: installing 2 packages\n" in said and "run.py: the environment is ready\n" in said
    if shutil.which("nvidia-smi") is None:
        assert "run.py: installing torch 1.0, the build for CPUs\n" in said
        assert said.endswith("serving 1.0 1.0+cpu\n")


def test_the_second_start_only_serves(checkout: Checkout) -> None:
    """Nothing is looked up or installed again, whatever Python starts it from whatever folder."""
    assert checkout.run("serve", cwd=checkout.folder.parent)[1].startswith("serving 1.0")


def test_a_changed_pin_is_installed(checkout: Checkout) -> None:
    """A pull that moves a pin is followed at the next start."""
    checkout.pin("2.0")
    assert checkout.run()[1].splitlines()[-1].startswith("serving 2.0")


def test_an_interrupted_installation_begins_again(checkout: Checkout) -> None:
    """What a kill left half-made never passes as ready."""
    (checkout.folder / ".venv" / "unfinished").touch()
    (checkout.folder / ".venv" / "rubbish").touch()
    status, said, _ = checkout.run()
    assert status == 0
    assert "removing an environment that cannot be used" in said
    assert not (checkout.folder / ".venv" / "rubbish").exists()


def test_a_failed_installation_is_tried_again(checkout: Checkout) -> None:
    """A package that is not to be had: its installer's words, one line of ours, exit 1; and the next start tries again."""
    checkout.pin("3.0")
    for _ in range(2):
        status, _, error = checkout.run()
        assert status == 1
        assert "No matching distribution found for tiny==3.0" in error
        assert error.splitlines()[-1].startswith("run.py: pip could not install everything")
    checkout.pin("2.0")
    assert checkout.run()[0] == 0


def test_a_broken_environment_is_made_anew(checkout: Checkout) -> None:
    """The Python that it was made with may be gone; and where the index has no torch for CPUs, that is said, and the other used."""
    python = checkout.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    (checkout.shelf / "torch-1.0+cpu-py3-none-any.whl").unlink()
    status, said, _ = checkout.run()
    assert status == 0 and "removing an environment" in said
    assert said.endswith("serving 2.0 1.0\n")
    if shutil.which("nvidia-smi") is None:
        assert "only the build with CUDA is offered here" in said


def test_the_pinned_pip_comes_first(checkout: Checkout) -> None:
    """A pip that cannot be had is said and passed over; one that can is what installs, and what the environment has from then on."""
    setup = checkout.folder / "setup.cfg"
    before = checkout.pip_version()
    setup.write_text(setup.read_text() + f"    pip=={NEW_PIP}\n")
    status, said, _ = checkout.run()
    assert status == 0 and "run.py: it is not to be had here; going on with the one that came with Python\n" in said
    assert checkout.pip_version() == before
    checkout.shelve_pip()
    checkout.pin("1.0")
    setup.write_text(setup.read_text() + f"    pip=={NEW_PIP}\n")
    status, said, _ = checkout.run()
    assert status == 0 and f"run.py: installing pip {NEW_PIP}\n" in said and "not to be had" not in said
    assert said.splitlines()[-1].startswith("serving 1.0") and checkout.pip_version() == NEW_PIP


def test_pip_is_pinned() -> None:
    """The project names the pip that its environment gets."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert [line for line in setup["constraints"]["versions"].split() if line.startswith("pip==")]


@pytest.mark.parametrize("arguments", [["--config", "x.toml"], ["serve", "--config", "x.toml"], ["--config", "x.toml", "serve"]])
def test_config_may_stand_anywhere(checkout: Checkout, arguments: list[str]) -> None:
    """`--config FILE` reaches the command from wherever it stands."""
    assert checkout.run(*arguments)[1].startswith("serving --config x.toml ")


def test_what_is_no_command(checkout: Checkout) -> None:
    """A wrong word is exit 2 and names the right ones; help is exit 0; what is not built yet says so."""
    status, said, error = checkout.run("sevre")
    assert (status, said) == (2, "") and "there are serve, test, bench, denoise, models, user, recordings, demo, doctor" in error
    status, said, _ = checkout.run("--help")
    assert status == 0 and "python3 run.py" in said
    assert checkout.run("doctor") == (2, "", "run.py: doctor is not there yet\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--config"], "run.py: --config needs a file"),
        (["user"], "run.py user: say which: add, passwd, list, delete"),
        (["models", "--config", "x.toml"], "run.py models: say which: list, fetch, verify"),
        (["bench", "fan-out"], "run.py bench: there is no 'fan-out'; there are workers, fanout, presence, ear, all"),
        (["bench", "--json"], "run.py bench: say which: workers, fanout, presence, ear, all"),
    ],
)
def test_wrong_words_are_told_before_anything_is_installed(tmp_path: Path, arguments: list[str], line: str) -> None:
    """In one line, exit 2, and no environment is made for it."""
    fresh = Checkout(tmp_path)
    for module in ("web/commands.py", "web/models.py", "tests/bench/__main__.py"):
        (fresh.folder / module).parent.mkdir(parents=True, exist_ok=True)
        (fresh.folder / module).touch()
    assert fresh.run(*arguments) == (2, "", line + "\n")
    assert not (fresh.folder / ".venv").exists()


def test_the_words_are_those_of_the_commands() -> None:
    """What run.py lets through is what the commands know, and all of it."""
    from run import WORDS
    from tests.bench.__main__ import BENCHES
    from web import models

    assert set(WORDS["bench"]) == {*BENCHES, "all"} and set(WORDS["models"]) == set(models.ACTIONS)
    help_of = subprocess.run([sys.executable, "-m", "web.commands", "user", "--help"], cwd=ROOT, capture_output=True, text=True).stdout
    assert "{" + ",".join(sorted(WORDS["user"], key=help_of.index)) + "}" in help_of


def test_no_registry_is_named() -> None:
    """Which index serves is the operator's choice: no file of the installation names one."""
    files = [ROOT / "run.py", ROOT / "setup.cfg", *(ROOT / "install").glob("*.py")]
    assert not [file for file in files if "://" in file.read_text()]
