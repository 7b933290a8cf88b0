"""run.py doctor: one plain line a finding, and the exit status."""

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.running import free_port
from web.cli import doctor


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
    """It is a command, with a loop of its own: here that has to be another thread's."""
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
    """The server starts all the same, and asks again."""
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
        ({"storage__path": "/proc/nowhere"}, "broken   Storage: nothing can be written in /proc/nowhere"),
    ],
)
async def test_what_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str], values: dict[str, object], line: str) -> None:
    """Exit 1, and one line that begins with the setting."""
    status, said = told(capsys, settings(tmp_path, **values))
    assert status == 1 and any(each.startswith(line) for each in said.splitlines()), said


@pytest.mark.tolerates("loop")
async def test_used_ports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A used UDP port is broken, a used TCP one a warning; where the web port answers, the server is taken to run."""
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


@pytest.mark.tolerates("loop")
async def test_damaged_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged weights are no weights, and said with what is wrong with them."""
    weights = tmp_path / "models" / "DeepFilterNet3"
    (weights / "checkpoints").mkdir(parents=True)
    (weights / "config.ini").write_text("[df]\n")
    (weights / "checkpoints" / "model_1.ckpt.best").write_bytes(b"half of one")
    status, said = told(capsys, settings(tmp_path))
    assert status == 0 and f"Weights: deepfilternet3 in {weights} are damaged: model_1.ckpt.best is no checkpoint" in said
    assert "Weights: none of deepfilternet3 yet" in said
