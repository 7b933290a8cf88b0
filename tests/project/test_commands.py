"""The commands in the blocks of README, CONTRIBUTING and docs: each is run, has its words checked, or stands in a list with the reason."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pytest

from run import COMMANDS
from tests.bench.arguments import check
from tests.support.running import ROOT

PAPERS = ["README.md", "CONTRIBUTING.md", *sorted(str(file.relative_to(ROOT)) for file in (ROOT / "docs").rglob("*.md"))]
PROGRAMS = (
    *"python3 cp mkdir mv rm systemctl ffmpeg openssl curl git psql pg_dump redis-cli docker apt-get cd ln tar nginx sqlite3 npm".split(),
    *"node pip ufw useradd sed install runuser".split(),
)
COMMAND = re.compile(rf"(?:sudo )?(?:[A-Z_]+=\S+ )*(?:{'|'.join(PROGRAMS)})\b.*")

# Commands that no test runs to the letter, and why.
NOT_RUN: Mapping[str, str] = {
    r"systemctl .*": "it needs the machine's service manager",
    r".* /etc/\S*": "it changes the machine's own settings; tests/project/test_deploy.py reads what it copies",
    r"ffmpeg .* https://HOST:8080/.*": "it needs a server under a name; tests/clients/test_ffmpeg.py publishes so on loopback",
    r"(?:apt-get update|git clone ADDRESS|sed -i|useradd|install --directory) .*": "it is for a machine that is new;"
    " tests/project/hosting/test_newcomer.py runs it in one",
    r"cd /srv/hushcast && runuser --user hushcast -- python3 run\.py (?:--config \S+ )?(?:backup|restore) .*": "tests/web/cli/ runs it"
    " elsewhere",
    r"(?:cd /srv/hushcast && runuser --user hushcast -- )?(?:git fetch|python3 run\.py upgrade .*)": "it is of the own folder;"
    " tests/web/cli/test_upgrade.py runs it elsewhere",
    r"ufw allow .*": "it changes the machine's own firewall",
    r"docker compose --file deploy/container/.*": "it takes a container engine; tests/project/hosting/ takes the steps without one",
    r"python3 run\.py": "it serves until it is ended; tests/web/test_serve.py does that",
    r"python3 run\.py (?:backup|restore|upgrade-check) .*": "it is of the own folder; tests/web/cli/ runs it elsewhere",
    r"python3 run\.py demo": "it writes into the checkout's own database; tests/web/cli/ runs it with another",
    r"python3 -m tests\.examples\.document_types .*": "it asks a running server; tests/examples/test_document_types.py runs it with one",
    r"python3 run\.py bundle": "it writes into the checkout; tests/web/install/test_bundle.py compares what it would write",
}


def commands() -> dict[str, list[str]]:
    """Command, without its comment -> the papers that have it, from indented and fenced blocks."""
    found: dict[str, list[str]] = {}
    for paper in PAPERS:
        fenced = False
        for line in (ROOT / paper).read_text().splitlines():
            if line.lstrip().startswith("```"):
                fenced = not fenced
            elif (fenced or line.startswith("    ")) and COMMAND.fullmatch(line.strip()):
                found.setdefault(re.sub(r"\s+#\s.*", "", line.strip()), []).append(paper)
    return found


def of_benchmarks(words: list[str], _: Path) -> None:
    """The benchmark takes these words; it measures for minutes."""
    check(words[3:])


def of_tests(words: list[str], _: Path) -> None:
    """The files of a run of the tests are there."""
    for word in words[words.index("test") + 1 :]:
        assert not word.startswith("tests/") or list(ROOT.glob(word)), word


def of_help(words: list[str], _: Path) -> None:
    """The list of commands has each of them."""
    told = subprocess.run([sys.executable, ROOT / words[1], *words[2:]], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and all(f"  {name} " in told.stdout for name in COMMANDS)


NOISE = np.random.default_rng(1).normal(0, 1000, (1, 2 * 48_000)).astype(np.int16)  # a second, two channels


def of_denoising(words: list[str], folder: Path) -> None:
    """A file is denoised into what the command names."""
    source, made = words[3], words[4]
    with av.open(folder / source, "w") as file:
        stream = file.add_stream({".m4a": "aac", ".flac": "flac"}[Path(source).suffix], rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(NOISE, "s16", "stereo")
        frame.rate = 48_000
        file.mux([*stream.encode(frame), *stream.encode(None)])
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HUSHCAST_MODELS_DOWNLOAD": "false"}
    command = [sys.executable, "-P", "-m", COMMANDS["denoise"][0], *words[3:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert all((folder / word).stat().st_size > 1000 for word in (made, *words[5:]) if re.search(r"\.\w{3,4}$", word))


def of_files(words: list[str], folder: Path) -> None:
    """A folder like a server's, in which the command does its work."""
    (folder / "var").mkdir()
    for name in ("copy.db", "var/hushcast.db", "var/hushcast.db-wal"):
        (folder / name).write_text("rows")
    subprocess.run(["bash", "-ec", " ".join(words)], cwd=folder, check=True, timeout=20)
    assert list((folder / "var").rglob("hushcast.db"))


RUN: Mapping[str, Callable[[list[str], Path], None]] = {
    r"python3 run\.py bench .*": of_benchmarks,
    r"(?:[A-Z_]+=\S+ )?python3 run\.py test.*": of_tests,
    r"python3 run\.py --help": of_help,
    r"python3 run\.py denoise .*": of_denoising,
    r"(?:mkdir|cp) (?!.* /etc/).*": of_files,
}


@pytest.mark.parametrize("command", sorted(commands()))
def test_a_command_of_the_docs(command: str, tmp_path: Path) -> None:
    """It is run, or its words are checked; else it is in the list of those that are not, once."""
    ways = [way for pattern, way in RUN.items() if re.fullmatch(pattern, command)]
    reasons = [pattern for pattern in NOT_RUN if re.fullmatch(pattern, command)]
    assert len(ways) + len(reasons) == 1, f"{command} ({', '.join(commands()[command])}) is neither run nor listed"
    for way in ways:
        way(command.split() if way is of_files else shlex.split(command), tmp_path)


def test_the_list_has_nothing_that_is_gone() -> None:
    """Each row of both tables is about a command that some paper has, and the commands were found."""
    known = commands()
    assert len(known) > 30
    assert all(any(re.fullmatch(pattern, command) for command in known) for pattern in (*RUN, *NOT_RUN))
