"""Passwords that are guessed first are refused wherever one is chosen, and only those."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT
from tests.web.conftest import PASSWORD, House
from web.auth.weak_passwords import WeakPasswords, common_passwords
from web.cli.accounts import main
from web.errors import WeakPassword

WEAK = ("password", "PassWord", "12345678", "qwertyuiop", "alice1990", "1990-alice", "aliceALICE", "Alice   ")


@pytest.fixture(scope="module")
def weak() -> WeakPasswords:
    return WeakPasswords()


@pytest.mark.parametrize("password", WEAK)
def test_what_is_weak(weak: WeakPasswords, password: str) -> None:
    """Refused: common passwords in any case, and the username with only digits and signs."""
    with pytest.raises(WeakPassword) as refused:
        weak.check("Alice", password)
    assert (refused.value.status, refused.value.code, set(refused.value.fields["errors"])) == (422, "weak_password", {"password"})  # type: ignore[call-overload]


@pytest.mark.parametrize("password", [PASSWORD, "correct horse", "malice in may", "password of mine", "12345678x!Q", "ßßßßßßßß"])
def test_what_is_not(weak: WeakPasswords, password: str) -> None:
    """All other passwords are accepted; there is no rating of strength."""
    weak.check("alice", password)


def test_a_name_of_digits(weak: WeakPasswords) -> None:
    """With such a name digits alone are its own."""
    with pytest.raises(WeakPassword):
        weak.check("8675", "86754242")


def test_the_list_is_there() -> None:
    """The list is read from its package without importing it."""
    assert len(common_passwords()) == 30_000 and common_passwords()[1] == "password"
    ask = "import sys; from web.auth.weak_passwords import WeakPasswords as Weak; Weak(); print([x for x in sys.modules if 'zxc' in x])"
    said = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


async def test_where_a_password_is_chosen(house: House) -> None:
    """Registering and changing a password: 422 weak_password with errors.password, and nothing is done; old weak passwords still work."""
    for password in WEAK:
        status, answer = await house.guest().ask("POST", "/api/register", {"username": "alice", "password": password})
        assert (status, answer["code"], list(answer["errors"])) == (422, "weak_password", ["password"])
    alice = await house.user("alice")
    status, answer = await alice.ask("POST", "/api/me/password", {"old": PASSWORD, "new": "alice1990"})
    assert (status, answer["code"], set(answer["errors"])) == (422, "weak_password", {"password", "new"})
    assert answer["detail"] == "The password must be more than your name and some digits."
    assert (await house.guest().ask("POST", "/api/login", {"username": "alice", "password": PASSWORD}))[0] == 200
    assert (await house.guest().ask("POST", "/api/login", {"username": "alice", "password": "password"}))[0] == 401


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`user add` and `user passwd` refuse them in one line, and exit 1."""
    config = tmp_path / "config.toml"
    config.write_text("")

    def run(action: str, typed: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return main(["--config", str(config), "user", action, "alice"])

    assert run("add", "iloveyou\n") == 1 and "tried first" in capsys.readouterr().err
    assert run("add", "correct horse\n") == 0
    capsys.readouterr()
    assert run("passwd", "alice2026\n") == 1 and capsys.readouterr().err.count("\n") == 1
