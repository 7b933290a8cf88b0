"""The first commands of docs/hosting.md, to the letter: from a bare Debian with systemd to a friend who hears a voice."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.debian_root import DebianRoot, base, running
from tests.support.running import ROOT

PAPER = ROOT / "docs" / "hosting.md"
SYSTEMD = "systemd-sysv"  # a machine has an init; all else comes by the commands
NAME = "voice.example.org"
SOURCE = "/root/hushcast.git"  # where the test has what the paper calls ADDRESS
FETCHES = ("apt-get", "git")  # by the host's network; the service has a proxy
AUTHORITY = "/usr/local/share/ca-certificates/pebble.crt"
SETTINGS = "/etc/systemd/system/hushcast.service.d/surroundings.conf"
DENOISER = "deepfilternet3"


def commands_of(title: str) -> list[str]:
    """The commands of a section of the paper."""
    (section,) = [text for text in PAPER.read_text().split("\n## ") if text.startswith(title)]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def test_it_is_short() -> None:
    """At most six commands, which name what the test replaces."""
    commands = commands_of("Six commands\n")
    assert 3 <= len(commands) <= 6
    assert sum("ADDRESS" in command for command in commands) == 1
    assert NAME in "".join(commands) and commands[-1].endswith("journalctl --follow --unit hushcast")


def publish(root: DebianRoot, folder: Path) -> None:
    """A repository with the checkout as it is, changes included, in the root."""
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in files.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "--quiet"], ["add", "--all", "--force"], ["commit", "--quiet", "--message", "as it is"]):
        subprocess.run(["git", *who, *words], cwd=folder, check=True, timeout=60)
    shutil.copytree(folder / ".git", root.inside(SOURCE))


@contextmanager
def surrounded(root: DebianRoot, folder: Path) -> Iterator[Path]:
    """A way out, and an authority that the machine trusts and that its service asks; the authority's own certificate."""
    command = ["nsenter", f"--target={root.pid}", "--net", sys.executable, "-P", "-m", "tests.project.hosting.surroundings"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    process = subprocess.Popen(
        [*command, folder, f"/proc/{os.getpid()}/ns/net"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        there = json.loads(process.stdout.readline())
        certificate = re.findall(r"-----BEGIN CERT.*?-----END CERTIFICATE-----\n", (folder / "pebble.pem").read_text(), re.DOTALL)
        for path, text in ((AUTHORITY, certificate[0]), (SETTINGS, settings(there))):
            root.inside(path).parent.mkdir(parents=True, exist_ok=True)
            root.inside(path).write_text(text)
        yield folder / "root.pem"
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def settings(there: dict[str, str]) -> str:
    """What the service has besides the paper's settings: the test's authority, and its way to the package index."""
    variables = {
        "HUSHCAST_HTTP_ACME_URL": there["authority"],
        "REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt",
        "HTTPS_PROXY": there["proxy"],
        "NO_PROXY": "127.0.0.1",
    }
    return "[Service]\n" + "".join(f"Environment={name}={value}\n" for name, value in variables.items())


def followed(root: DebianRoot, command: str, timeout_s: float) -> str:
    """The claim link that a command without an end says at some time."""
    words = ["timeout", str(timeout_s), "bash", "-c", command]
    process = subprocess.Popen(root.command(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            found = re.search(r"claim this server: (\S+)", line)
            if found:
                return found[1]
        raise AssertionError(said)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
@pytest.mark.tolerates("fds", "memory")
def test_a_newcomer(tmp_path: Path, audio_folder: Path, stretch: float) -> None:
    """Each command does its work; the last one says the claim link; over a trusted certificate the owner's friend hears the owner."""
    for name in ("machine", "source", "around"):
        (tmp_path / name).mkdir()
    with running(base(SYSTEMD), tmp_path / "machine", systemd=True) as root:
        publish(root, tmp_path / "source")
        with surrounded(root, tmp_path / "around") as trusted:
            *first, last = commands_of("Six commands\n")
            for command in first:
                outside = command.startswith(FETCHES)
                root.run(["bash", "-c", command.replace("ADDRESS", SOURCE)], cwd="/root", outside=outside, timeout_s=900)
            claim = followed(root, last, 900 * stretch)
            visitor = ["nsenter", f"--target={root.pid}", "--net", sys.executable, "-P", "-m", "tests.project.hosting.visitor"]
            done = subprocess.run(
                [*visitor, f"https://{NAME}", audio_folder / "noisy_snr0.wav", DENOISER, claim],
                env={**os.environ, "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(trusted)},
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=900,
            )
            journal = root.run(["journalctl", "--no-pager", "--unit", "hushcast"])
            assert done.returncode == 0, done.stdout + done.stderr + journal[-5000:]
            print(done.stdout)
            assert "Traceback" not in journal, journal
            assert root.run(["systemctl", "show", "--property=NRestarts,User,ActiveState", "hushcast"]).split() == [
                "NRestarts=0",
                "User=hushcast",
                "ActiveState=active",
            ]
            for command in commands_of("A backup each night\n"):
                root.run(["bash", "-c", command])
            (backup,) = root.run(["sh", "-c", "ls /srv/backup/*"]).split()
            root.run(["python3", "run.py", "backup", "--verify", backup], user="hushcast", cwd="/srv/hushcast")
            root.run(["systemctl", "stop", "hushcast"])
