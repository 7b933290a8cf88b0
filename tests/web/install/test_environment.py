"""Installing, in a small checkout: the real script, real pip, real environments, a few tiny packages and their locks."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from tests.support.disks import fill, small_disk
from tests.support.running import ROOT
from tests.web.install.checkout import VERSION, Checkout, package_index


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One checkout for all; the tests below leave it with a finished environment."""
    return Checkout(tmp_path_factory.mktemp("run"))


def test_the_first_start_makes_the_environment(checkout: Checkout) -> None:
    """The first start prints a line for each step and then serves; torch is not fetched."""
    status, said, _ = checkout.run()
    assert status == 0
    assert "run.py: installing 1 packages\n" in said and "run.py: .venv is ready\n" in said
    assert said.endswith("serving 1.0\n") and "torch" not in said
    assert json.loads((checkout.venv / "hushcast.json").read_text()).keys() == {"recipe", "python", "base"}
    assert not (checkout.folder / ".venv-torch").exists()


def test_the_second_start_only_serves(checkout: Checkout) -> None:
    """The second start installs nothing, starts no process, and works from any folder."""
    assert checkout.run("serve", cwd=checkout.folder.parent)[1] == "serving 1.0\n"
    ask = "import sys, run; print(*{'subprocess', 'configparser', 'tempfile', 'web.install.environment'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", ask], cwd=ROOT, text=True).strip() == ""


def test_settings_ask_for_a_part(tmp_path: Path) -> None:
    """A start with `http.tls = "acme"` installs that part first, once."""
    checkout = Checkout(tmp_path)
    checkout.shelve("acmelike", "1.0")
    checkout.lock(acme=["acmelike==1.0"])
    (checkout.folder / "config.toml").write_text('[http]\ntls = "acme"\n')
    assert "packages for certificates by ACME" in checkout.run()[1]
    assert json.loads((checkout.venv / "hushcast.json").read_text()).keys() == {"recipe", "python", "base", "acme"}
    assert checkout.run()[1] == "serving 1.0\n"


def test_a_changed_lock_is_followed(checkout: Checkout) -> None:
    """A changed version in the lock is installed at the next start."""
    checkout.lock(base=["tiny==2.0"])
    assert checkout.run()[1].splitlines()[-1] == "serving 2.0"


def test_an_interrupted_installation_begins_again(checkout: Checkout) -> None:
    """An environment that a kill left incomplete is made again."""
    (checkout.venv / "unfinished").touch()
    (checkout.venv / "rubbish").touch()
    status, said, _ = checkout.run()
    assert status == 0
    assert "removing .venv, which cannot be used" in said
    assert not (checkout.venv / "rubbish").exists()


def test_an_environment_of_an_older_build_is_made_anew(checkout: Checkout) -> None:
    """An environment with the stamp of another recipe is made again."""
    (checkout.venv / "hushcast.json").write_text('{"base": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"}')
    (checkout.venv / "rubbish").touch()
    assert checkout.run()[0] == 0
    assert not (checkout.venv / "rubbish").exists()


def test_what_was_not_locked_is_not_installed(checkout: Checkout) -> None:
    """A wheel with another hash is refused with one line and exit 1; nothing changes until the right wheel comes."""
    right = (checkout.shelf / "tiny-1.0-py3-none-any.whl").read_bytes()
    checkout.lock(base=["tiny==1.0"])
    checkout.shelve("tiny", "1.0", main="print('not what was locked')")
    for _ in range(2):
        status, _, error = checkout.run()
        assert status == 1
        assert error.splitlines()[-1].startswith(
            "run.py: a package came damaged or is not the one that was locked, so nothing of it was installed"
        )
    assert checkout.version(".venv", "tiny") == "2.0"
    (checkout.shelf / "tiny-1.0-py3-none-any.whl").write_bytes(right)
    assert checkout.run()[1].splitlines()[-1] == "serving 1.0"


def test_a_package_that_is_not_to_be_had(checkout: Checkout) -> None:
    """A missing package ends the start with pip's lines, one of ours and exit 1; the next start tries again."""
    checkout.lock(base=["tiny==3.0"])
    status, _, error = checkout.run()
    assert status == 1 and "No matching distribution found for tiny==3.0" in error
    assert error.splitlines()[-1].startswith("run.py: the package index has no such package for this machine")
    checkout.lock(base=["tiny==1.0"])
    assert checkout.run()[0] == 0


def test_a_registry_that_is_away(checkout: Checkout) -> None:
    """An index that does not answer is one line."""
    checkout.lock(base=["tiny==3.0"])
    away = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    status, _, error = checkout.run(**away)
    assert status == 1
    assert error.splitlines()[-1].startswith("run.py: the package index does not answer, or broke off; start again when it does")
    checkout.lock(base=["tiny==1.0"])


def test_a_registry_that_breaks_off(tmp_path: Path) -> None:
    """An index that breaks off in the middle of a file is one line, and the next start succeeds."""
    fresh = Checkout(tmp_path)
    fresh.shelve("tiny", "1.0", size=1 << 20)
    fresh.lock()
    with package_index(fresh.shelf / "tiny-1.0-py3-none-any.whl", breaks=1) as address:
        there = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": address, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
        status, _, error = fresh.run(**there)
        assert status == 1 and "start again" in error.splitlines()[-1]  # pips differ in what they see first: the end, or the hash
        status, said, _ = fresh.run(**there)
        assert status == 0 and said.endswith("serving 1.0\n")


def test_a_broken_environment_is_made_anew(checkout: Checkout) -> None:
    """An environment whose Python is gone is made again."""
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    status, said, _ = checkout.run()
    assert status == 0 and "removing .venv" in said
    assert said.endswith("serving 1.0\n")


def test_settings_that_would_install_elsewhere(tmp_path: Path) -> None:
    """Packages on PYTHONPATH or in the current folder, and pip's own "target" and "user", keep none from being installed here."""
    fresh = Checkout(tmp_path)
    for folder in ("path", "here"):
        with zipfile.ZipFile(fresh.shelf / "tiny-1.0-py3-none-any.whl") as wheel:
            wheel.extractall(tmp_path / folder)
    (tmp_path / "pip.conf").write_text("[install]\nuser = true\n")
    elsewhere = {
        "PYTHONPATH": str(tmp_path / "path"),
        "PIP_TARGET": str(tmp_path / "target"),
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
    }
    status, said, _ = fresh.run(cwd=tmp_path / "here", **elsewhere)
    assert status == 0 and said.endswith("serving 1.0\n") and not (tmp_path / "target").exists()
    assert list(fresh.venv.glob("lib/*/site-packages/tiny-1.0.dist-info"))


def test_weights_come_meanwhile(tmp_path: Path) -> None:
    """A first start fetches weights while it installs; their output is not shown, and the server starts where that fails."""
    fresh = Checkout(tmp_path)
    (fresh.folder / "web" / "cli" / "fetch_ahead.py").write_text(
        "import sys; open('ahead', 'w').write(' '.join(sys.argv[1:])); sys.exit('no')"
    )
    status, said, error = fresh.run("--config", "x.toml")
    assert status == 0 and said.endswith("serving --config x.toml 1.0\n") and not error
    assert (fresh.folder / "ahead").read_text() == "--config x.toml"


def test_two_first_starts_at_once(tmp_path: Path) -> None:
    """Of two starts at once one installs and the other waits; both serve."""
    fresh = Checkout(tmp_path)
    both = [fresh.start() for _ in range(2)]
    said = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(".venv is ready" in each for each in said) == 1
    assert all(each.endswith("serving 1.0\n") for each in said)


def test_a_killed_first_start(tmp_path: Path) -> None:
    """After a start and its pip were killed early, the next start makes the environment."""
    fresh = Checkout(tmp_path)
    process = fresh.start()
    deadline = time.monotonic() + 60
    while not (fresh.venv / "unfinished").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    status, said, _ = fresh.run()
    assert status == 0 and "removing .venv, which cannot be used" in said and said.endswith("serving 1.0\n")


def test_a_start_that_is_killed_alone(tmp_path: Path) -> None:
    """The pip of a killed start keeps the lock until it ends."""
    fresh = Checkout(tmp_path)
    process = fresh.start()
    deadline = time.monotonic() + 60
    while not (pips := [child for child in psutil.Process(process.pid).children() if {"pip", "install"} <= {*words_of(child)}]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pips[0].suspend()
    process.kill()
    process.communicate()
    folder = os.open(fresh.folder, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        pips[0].kill()
    fcntl.flock(folder, fcntl.LOCK_EX)
    os.close(folder)


def words_of(process: psutil.Process) -> list[str]:
    """The file names in a process's command line."""
    try:
        return [Path(word).name for word in process.cmdline()]
    except psutil.Error:
        return []


def test_a_full_disk(tmp_path: Path) -> None:
    """A full disk ends the start with one line and exit 1; with room again the next start makes the environment."""
    with small_disk(tmp_path / "disk", 40 << 20) as disk:
        fresh = Checkout(disk / "here")
        fresh.shelve("tiny", "1.0", size=8 << 20)
        fresh.lock()
        filling = fill(disk, leave=6 << 20)
        status, _, error = fresh.run(TMPDIR=str(tmp_path))
        assert status == 1 and error.splitlines()[-1].startswith("run.py: the disk is full; make room and start again")
        filling.unlink()
        status, said, _ = fresh.run(TMPDIR=str(tmp_path))
        assert status == 0 and said.endswith("serving 1.0\n")


def test_torch_has_an_environment_of_its_own(checkout: Checkout) -> None:
    """`install reference` takes torch's build for CPUs; `install cuda` replaces it for both; .venv has no torch."""
    checkout.lock("3.11")
    status, said, error = checkout.run("install", "reference")
    if VERSION != "3.11" and "Python 3.11 is needed" in error:
        pytest.skip("no Python 3.11 here")
    assert status == 0 and "run.py: installing torch 1.0, the build for CPUs\n" in said and said.endswith("run.py: reference: installed\n")
    stamp = checkout.folder / ".venv-torch" / "hushcast.json"
    assert json.loads(stamp.read_text()).keys() == {"recipe", "python", "base", "reference"}
    assert checkout.version(".venv-torch", "torch") == "1.0+cpu" and checkout.version(".venv-torch", "tiny") == "1.0"
    assert not list(checkout.folder.glob(".venv-torch/lib/*/site-packages/cudalib")) and not list(checkout.venv.glob("lib/*/*/torch"))

    status, said, _ = checkout.run("install", "cuda")
    assert status == 0 and "run.py: installing torch 1.0 and 1 packages that it needs\n" in said
    assert json.loads(stamp.read_text()).keys() == {"recipe", "python", "base", "cuda", "reference"}
    assert checkout.version(".venv-torch", "torch") == "1.0" and checkout.version(".venv-torch", "cudalib") == "1.0"
    assert checkout.run("install", "cuda", "reference")[1] == "run.py: cuda and reference: installed\n"


def test_where_no_index_has_torch_for_cpus(tmp_path: Path) -> None:
    """Where no index has the build for CPUs, a line says so and the locked build with CUDA is installed."""
    fresh = Checkout(tmp_path)
    fresh.lock("3.11")
    (fresh.shelf / "torch-1.0+cpu-py3-none-any.whl").unlink()
    status, said, error = fresh.run("install", "reference")
    if VERSION != "3.11" and "Python 3.11 is needed" in error:
        pytest.skip("no Python 3.11 here")
    assert status == 0 and "only the build with CUDA is offered here" in said
    assert fresh.version(".venv-torch", "torch") == "1.0"
