"""run.py doctor: one line for each finding, and the exit status."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.running import ROOT, free_port
from tests.support.s3 import KEY, SECRET, S3Server
from web.cli import doctor

NOBODY = "http://127.0.0.1:9"


def settings(folder: Path, **values: object) -> Path:
    """A config.toml for loopback; values: http__port=1 and so on."""
    given = {"http.host": "127.0.0.1", "http.port": 0, "rtc.host": "127.0.0.1", "rtc.port": 0, "storage.path": str(folder / "var")}
    given |= {name.replace("__", "."): value for name, value in values.items()}
    lines: dict[str, list[str]] = {}
    for name, value in given.items():
        lines.setdefault(name.split(".")[0], []).append(f"{name.split('.')[1]} = {json.dumps(value)}")
    file = folder / "config.toml"
    file.write_text("\n".join(f"[{section}]\n" + "\n".join(keys) for section, keys in lines.items()) + "\n")
    return file


def told(capsys: pytest.CaptureFixture[str], file: Path) -> tuple[int, str]:
    status = doctor.main(["--config", str(file)])
    said = capsys.readouterr().out
    assert all(line.split()[0] in (doctor.GOOD, doctor.WARNING, doctor.BROKEN) for line in said.splitlines())
    assert status == any(line.startswith(doctor.BROKEN) for line in said.splitlines())
    return status, said


@pytest.fixture(autouse=True)
def own_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command has a loop of its own, which here has to run in another thread."""
    run = asyncio.run

    def elsewhere(coroutine):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run, coroutine).result()

    monkeypatch.setattr(doctor.asyncio, "run", elsewhere)


@pytest.mark.tolerates("loop")
async def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On loopback, with free ports: nothing broken, exit 0; what is missing is a warning."""
    status, said = told(capsys, settings(tmp_path, rtc__announce=["localhost"]))
    assert status == 0
    for line in (
        "Settings:",
        "Storage:",
        "HTTPS: not by this server",
        "Web: 127.0.0.1",
        "UDP of any number on 127.0.0.1",
        "reached from this",
    ):
        assert line in said


@pytest.mark.tolerates("loop")
async def test_a_name_that_nobody_knows_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name without an address is a warning, because the server starts without it and asks again."""
    status, said = told(capsys, settings(tmp_path, rtc__announce=["voice.invalid"]))
    assert status == 0 and any(line.startswith("warning") and "voice.invalid" in line for line in said.splitlines()), said


@pytest.mark.tolerates("loop")
@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"http__port": 70000}, "broken   config.toml: http.port: 70000 is not in 0-65535"),
        ({"rtc__host": "192.0.2.200"}, "broken   Media: rtc.host: "),
        ({"rtc__announce": ["no such name"]}, "broken   rtc.announce: "),
        ({"http__tls": "files", "http__cert": "none.pem", "http__key": "none.pem"}, "broken   HTTPS: http.cert, http.key: "),
        ({"http__tls": "acme"}, 'broken   http.tls = "acme" needs http.names'),
        ({"storage__path": "/proc/nowhere"}, "broken   Storage: nothing can be written in /proc/nowhere"),
    ],
)
async def test_what_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str], values: dict[str, object], line: str) -> None:
    """A broken setting is exit 1 and one line that begins with it."""
    status, said = told(capsys, settings(tmp_path, **values))
    assert status == 1 and any(each.startswith(line) for each in said.splitlines()), said


@pytest.mark.tolerates("loop")
async def test_used_ports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A used UDP port is broken, a used TCP port a warning; where the web port answers, used ports are those of the running server."""
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        status, said = told(capsys, settings(tmp_path, rtc__port=port))
        assert status == 1 and f"UDP port {port} on 127.0.0.1 is used by another program" in said
        with socket.create_server(("127.0.0.1", 0)) as web:
            status, said = told(capsys, settings(tmp_path, rtc__port=port, http__port=web.getsockname()[1]))
            assert status == 0 and "as it should be" in said and "somebody answers" in said
    with socket.create_server(("127.0.0.1", port)):
        status, said = told(capsys, settings(tmp_path, rtc__port=port))
        assert status == 0 and f"warning  Media: TCP {port} is used by another program" in said


@pytest.mark.skipif(sys.platform != "linux", reason="setpriv")
def test_a_port_that_a_unit_gives_the_right_to(tmp_path: Path) -> None:
    """A port below 1024 is a warning that names the unit's right, for the service has it where the doctor has not."""
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) < 1024:
        pytest.skip("ports below 1024 are everybody's here")
    file = settings(tmp_path, http__port=997, http__tls="acme", http__names=["voice.example.org"], http__acme_port=998)
    without = ["setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"] if os.getuid() == 0 else []
    command = [*without, sys.executable, "-m", "web.cli.doctor", "--config", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    warned = [line for line in done.stdout.splitlines() if "CAP_NET_BIND_SERVICE" in line]
    assert [("997 (http.port)" in line, "998 (http.acme_port)" in line) for line in warned] == [(True, False), (False, True)], done.stdout
    assert all(line.startswith("warning") for line in warned) and done.returncode == 0, done.stdout + done.stderr


@pytest.mark.tolerates("loop")
async def test_the_port_that_an_authority_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Free, or a warning where another program has it; as it should be where this server runs."""
    by_acme = {"http__tls": "acme", "http__names": ["voice.example.org"]}
    status, said = told(capsys, settings(tmp_path, **by_acme, http__acme_port=(port := free_port())))
    assert status == 0 and f"ok       HTTPS: port {port} (http.acme_port) is free" in said
    with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", 0)) as web:
        status, said = told(capsys, settings(tmp_path, **by_acme, http__acme_port=port))
        assert status == 0 and f"warning  HTTPS: port {port} (http.acme_port) cannot be opened" in said
        status, said = told(capsys, settings(tmp_path, **by_acme, http__acme_port=port, http__port=web.getsockname()[1]))
        assert status == 0 and f"ok       HTTPS: port {port} (http.acme_port) is in use" in said


@pytest.mark.tolerates("loop")
async def test_damaged_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged weights count as none, and the line says what is wrong with them."""
    weights = tmp_path / "models" / "DeepFilterNet3"
    (weights / "checkpoints").mkdir(parents=True)
    (weights / "config.ini").write_text("[df]\n")
    (weights / "checkpoints" / "model_1.ckpt.best").write_bytes(b"half of one")
    status, said = told(capsys, settings(tmp_path))
    assert status == 0 and f"Weights: deepfilternet3 in {weights} are damaged: model_1.ckpt.best is no checkpoint" in said
    assert "Weights: none of deepfilternet3 yet" in said


@pytest.mark.tolerates("loop")
async def test_s3(tmp_path: Path, s3_server: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A bucket that can be used, one that is not there, and an address where nobody answers; the key is never shown."""
    address = f"{s3_server.bucket()}/tapes?endpoint={s3_server.url}"
    status, said = told(capsys, settings(tmp_path, storage__s3_url=f"s3://{KEY}:{SECRET}@{address}"))
    assert status == 0 and "S3: s3://bucket" in said and "can be written, read and deleted" in said
    status, other = told(capsys, settings(tmp_path, storage__s3_url=f"s3://{KEY}:{SECRET}@nobody-made-it?endpoint={s3_server.url}"))
    assert status == 1 and "there is no such bucket" in other
    status, nobody = told(capsys, settings(tmp_path, storage__s3_url=f"s3://{KEY}:{SECRET}@{address}".replace(s3_server.url, NOBODY)))
    assert status == 1 and "cannot be reached" in nobody
    status, wrong = told(capsys, settings(tmp_path, storage__s3_url=f"s3://{KEY}:{SECRET}@bucket?endpoint=ftp://x"))
    assert status == 1 and "not like s3://bucket/prefix" in wrong
    assert SECRET not in said + other + nobody + wrong
