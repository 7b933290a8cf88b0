"""run.py's words, on a small checkout of its own: the real script and a real environment with a tiny package."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT
from tests.web.install.checkout import Checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One checkout for all, with its environment."""
    made = Checkout(tmp_path_factory.mktemp("run"))
    assert made.run()[0] == 0
    return made


@pytest.mark.parametrize("arguments", [["--config", "x.toml"], ["serve", "--config", "x.toml"], ["--config", "x.toml", "serve"]])
def test_config_may_stand_anywhere(checkout: Checkout, arguments: list[str]) -> None:
    """`--config FILE` reaches the command from wherever it stands."""
    assert checkout.run(*arguments)[1].startswith("serving --config x.toml ")


def test_what_is_no_command(checkout: Checkout) -> None:
    """A wrong word is exit 2 and names the right ones; help is exit 0; what is not built yet says so."""
    status, said, error = checkout.run("sevre")
    assert (status, said) == (2, "")
    assert (
        "there are serve, test, bench, denoise, models, user, recordings, db, log, backup, restore, upgrade-check, upgrade, demo" in error
    )
    status, said, _ = checkout.run("--help")
    assert status == 0 and "python3 run.py" in said
    assert checkout.run("doctor") == (2, "", "run.py: doctor is not there yet\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--config"], "run.py: --config needs a file"),
        (["user"], "run.py user: say which: add, passwd, list, delete"),
        (["models", "--config", "x.toml"], "run.py models: say which: list, fetch, verify"),
        (["bench", "fan-out"], "run.py bench: there is no 'fan-out'; there are workers, fanout, presence, ear, page, nodes, all"),
        (["bench", "--json"], "run.py bench: say which: workers, fanout, presence, ear, page, nodes, all"),
        (["install"], "run.py install: say which: base, nodes, acme, cuda, reference"),
        (["install", "cuda", "torch"], "run.py install: there is no 'torch'; there are base, nodes, acme, cuda, reference"),
    ],
)
def test_wrong_words_are_told_before_anything_is_installed(tmp_path: Path, arguments: list[str], line: str) -> None:
    """In one line, exit 2, and no environment is made for it."""
    fresh = Checkout(tmp_path)
    for module in ("web/cli/accounts.py", "web/cli/models.py", "tests/bench/__main__.py"):
        (fresh.folder / module).parent.mkdir(parents=True, exist_ok=True)
        (fresh.folder / module).touch()
    assert fresh.run(*arguments) == (2, "", line + "\n")
    assert not (fresh.folder / ".venv").exists() and not (fresh.folder / ".venv-torch").exists()


def test_the_version_needs_no_environment(tmp_path: Path) -> None:
    """`--version` is what setup.cfg says, and nothing is made for it."""
    fresh = Checkout(tmp_path)
    assert fresh.run("--version") == (0, "hushcast 0.1.0\n", "")
    assert not fresh.venv.exists()


def test_the_words_are_those_of_the_commands() -> None:
    """What run.py lets through is what the commands know, and all of it."""
    from run import WORDS
    from tests.bench.__main__ import BENCHES
    from web.cli import models
    from web.install.torch_build import PARTS

    assert (
        set(WORDS["bench"]) == {*BENCHES, "all"}
        and set(WORDS["models"]) == set(models.ACTIONS)
        and WORDS["install"] == ("base", "nodes", "acme", *PARTS)
    )
    help_of = subprocess.run([sys.executable, "-m", "web.cli.accounts", "user", "--help"], cwd=ROOT, capture_output=True, text=True).stdout
    assert "{" + ",".join(sorted(WORDS["user"], key=help_of.index)) + "}" in help_of


def test_no_registry_is_named() -> None:
    """Which index serves is the operator's choice: no file of the installation names one."""
    files = [
        ROOT / "run.py",
        ROOT / "setup.cfg",
        *(file for file in (ROOT / "web" / "install").rglob("*") if file.suffix in (".py", ".txt")),
    ]
    assert not [file for file in files if "://" in file.read_text()]
