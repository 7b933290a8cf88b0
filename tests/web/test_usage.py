"""Wrong usage, as it is told before anything is installed."""

import subprocess
import sys

import pytest

from tests.support.running import ROOT
from web.install.usage import wrong_usage

RIGHT = (
    *("serve", "demo", "doctor", "doctor --help", "denoise in.wav out.wav", "denoise --denoiser rnnoise in.wav out.wav"),
    *("user list", "user add ada", "user passwd ada --revoke", "user delete --yes ada", "user add -h", "user add serve"),
    *("backup a.tar.gz", "backup --verify a.tar.gz", "restore a.tar.gz --replace", "upgrade-check ../new"),
    *("upgrade ../new", "upgrade --back", "upgrade --set-aside --back"),
    *("recordings trash", "recordings trash list", "recordings trash restore 7", "recordings trash empty --yes"),
    *("models fetch deepfilternet3", "bench workers --json", "test -k name"),
)
WRONG = {
    "serve --port 8080": "`run.py serve`",
    "demo twice": "`run.py demo`",
    "denoise in.wav": "`run.py denoise IN OUT`",
    "backup": "`run.py backup [--verify] FILE`",
    "backup --replace a": "`run.py backup [--verify] FILE`",
    "restore a b": "`run.py restore [--replace] [--files] FILE`",
    "upgrade-check": "`run.py upgrade-check FOLDER`",
    "upgrade": "`run.py upgrade --back [--set-aside]`",
    "upgrade --set-aside": "`run.py upgrade VERSION`",
    "upgrade ../new --back": "`run.py upgrade VERSION`",
    "user add": "`run.py user add NAME`",
    "user add ada ben": "`run.py user add NAME`",
    "user add --yes ada": "`run.py user add NAME`",
    "user list ada": "`run.py user list`",
    "user delete --ja ada": "`run.py user delete [--yes] NAME`",
    "recordings trash restore": "`run.py recordings trash restore ID`",
}


@pytest.mark.parametrize("line", RIGHT)
def test_right_usage_passes(line: str) -> None:
    """What the commands take is not held up, nor what only they can judge."""
    command, *rest = line.split()
    assert wrong_usage(command, rest) == ""


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_is_told_with_the_right_one(line: str) -> None:
    """Too few words, too many, an option that there is not: the way in which it is written is said."""
    command, *rest = line.split()
    said = wrong_usage(command, rest)
    assert said.startswith("this is written ") and WRONG[line] in said


def test_every_way_of_a_word_that_is_not_there_is_told() -> None:
    """Where it cannot be told which was meant, all are said."""
    assert wrong_usage("user", ["frobnicate"]).count("`run.py user ") == 4
    assert wrong_usage("recordings", ["trash", "frobnicate"]).count("`run.py recordings trash") == 4


def test_run_py_says_it() -> None:
    """One line and status 2, by whatever Python."""
    said = subprocess.run([sys.executable, ROOT / "run.py", "user", "add"], capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout, said.stderr) == (2, "", "run.py user: this is written `run.py user add NAME`\n")
