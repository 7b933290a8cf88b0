"""deploy/ for several servers: systemd units, settings of each server, the compose file; they agree with each other."""

import os
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfu.config.load import load
from sfu.config.schema import Config
from tests.conftest import missing_program
from tests.support.proxies import HAPROXY, running
from tests.support.running import ROOT
from web.serve import AWAY, END_S, WRONG

DEPLOY = ROOT / "deploy"
UNITS = ("hushcast.service", "hushcast@.service")
NAMES = ("one", "two", "three")
MOST_EXPOSED = 20  # tenths of systemd's measure, whose worst is 100
SECRET = "5" * 64
ASKED = {"NAME": "voice.example.org", "ADDRESS": "203.0.113.9", "NODE_SECRET": SECRET, "POSTGRES_PASSWORD": "p", "REDIS_PASSWORD": "r"}


def analysed(*arguments: str) -> str:
    """What systemd-analyze says."""
    program = shutil.which("systemd-analyze")
    if program is None:
        missing_program("systemd-analyze")
    done = subprocess.run(
        [program, "--no-pager", *arguments], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=60
    )
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"\nsystemd-analyze: {done.returncode}")


def verified(folder: Path, name: str, text: str) -> str:
    """What systemd has against a unit with this text."""
    (folder / name).write_text(text)
    return analysed("verify", "--man=no", "--recursive-errors=no", str(folder / name))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit(tmp_path: Path, name: str) -> None:
    """systemd has nothing against it, and finds it little exposed; it has the server all the time that the server takes to leave."""
    text = (
        (DEPLOY / "systemd" / name).read_text().replace("/usr/bin/python3", shutil.which("python3", path="/usr/bin:/usr/local/bin") or "")
    )
    assert verified(tmp_path, name, text) == ""
    exposed = analysed("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(tmp_path / name))
    assert "systemd-analyze: " not in exposed, exposed
    settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert (settings["KillSignal"], settings["KillMode"], settings["OOMPolicy"]) == ("SIGTERM", "mixed", "continue")
    assert int(settings["TimeoutStopSec"]) >= 30 + END_S
    assert (settings["Restart"], settings["RestartPreventExitStatus"], settings["StartLimitIntervalSec"]) == ("on-failure", str(WRONG), "0")
    assert AWAY != WRONG and int(settings["RestartSec"]) >= 5, "a start that fails at once is not tried without a pause"
    assert (DEPLOY / "compose" / "several.yml").read_text().count(f"stop_grace_period: {settings['TimeoutStopSec']}s") == 1


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize(
    ("line", "instead"),
    [("KillMode=mixed", "KillMode=all"), ("ProtectSystem=strict", "ProtectSystems=strict"), ("ExecStart=", "ExecStart=/nothing")],
)
def test_a_fault_in_a_unit_is_found(tmp_path: Path, name: str, line: str, instead: str) -> None:
    """A value that there is not, a misspelt key, and a program that is missing."""
    text = (DEPLOY / "systemd" / name).read_text()
    assert line in text
    assert verified(tmp_path, name, text.replace(line, instead)) != ""


def of_machine(folder: Path, name: str) -> Config:
    """The settings of a server as the file has them, with a secret."""
    text = (DEPLOY / "systemd" / f"{name}.toml").read_text()
    assert text.count('secret = "CHANGE-ME"') == 1
    (folder / f"{name}.toml").write_text(text.replace('secret = "CHANGE-ME"', f'secret = "{SECRET}"'))
    return load(folder / f"{name}.toml", {})


def of_container(folder: Path, service: dict[str, Any]) -> Config:
    """The settings of a server as its container's variables have them."""
    variables = {key: re.sub(r"\$\{(\w+):\?\}", lambda found: ASKED[found[1]], value) for key, value in service["environment"].items()}
    (folder / "config.toml").write_text("")
    return load(folder / "config.toml", variables)


def flat(config: Config) -> dict[str, object]:
    return {f"{section}.{key}": value for section, values in asdict(config).items() for key, value in values.items()}


def differing(configs: list[Config]) -> set[str]:
    """The settings in which these are not alike."""
    trees = [flat(config) for config in configs]
    return {key for key in trees[0] if any(tree[key] != trees[0][key] for tree in trees)}


def test_the_settings_of_each_machine(tmp_path: Path) -> None:
    """Each file is taken once its secret is there, and refused before; they differ in what is a server's own; proxies know them all."""
    configs = [of_machine(tmp_path, name) for name in NAMES]
    assert differing(configs) == {"http.host", "rtc.announce", "storage.path", "node.name", "node.url"}
    with pytest.raises(Exception, match=r"node\.secret: has 9 characters"):
        load(DEPLOY / "systemd" / "one.toml", {})
    _agree(configs)
    unit = (DEPLOY / "systemd" / "hushcast@.service").read_text()
    for name, config in zip(NAMES, configs, strict=True):
        assert config.node.name == name and str(config.storage.path) == f"/var/lib/hushcast/{name}"
        assert "--config /etc/hushcast/%i.toml" in unit and "StateDirectory=hushcast/%i\n" in unit
        assert config.http.host in config.node.url


def _agree(configs: list[Config]) -> None:
    """What several servers share is there, and both proxies lead to all of them and to no others."""
    for config in configs:
        assert config.http.tls == "off" and config.http.trusted_proxies == ("10.0.77.10",) and config.http.public_url
        assert config.database.url.startswith("postgresql://") and len(config.redis.sentinels) == 3 and config.node.secret == SECRET
    places = {config.node.url.removeprefix("http://") for config in configs}
    for file in ("nginx.conf", "haproxy.cfg"):
        assert set(re.findall(r"^ *server (?:\w+ )?([\d.]+:\d+)", (DEPLOY / file).read_text(), re.MULTILINE)) == places, file


async def test_what_debian_s_units_start(tmp_path: Path) -> None:
    """HAProxy, which is started as root, goes on as another user; Redis writes where its unit lets it."""
    if HAPROXY.program is None:
        missing_program(HAPROXY.name)
    async with running(HAPROXY, tmp_path / "proxy", ["http://127.0.0.1:9"]):
        pass
    assert "\ndir /var/lib/redis\n" in (DEPLOY / "redis" / "redis.conf").read_text()


def test_the_guide_names_the_units() -> None:
    """Of several servers each has a name after the @; the unit of one server would be another one."""
    commands = re.findall(r"systemctl (?:start|stop|restart|enable --now) (hushcast\S*)", (ROOT / "docs" / "scaling.md").read_text())
    assert len(commands) >= 3 and all(unit.startswith("hushcast@") for unit in commands), commands


def test_the_settings_of_each_container(tmp_path: Path) -> None:
    """The same for the compose file; each service has the address that others know it by, and the media port that it tells browsers."""
    document = yaml.safe_load((DEPLOY / "compose" / "several.yml").read_text())
    services = document["services"]
    addresses = {name: service["networks"]["inside"]["ipv4_address"] for name, service in services.items()}
    assert len(set(addresses.values())) == len(services)
    configs = [of_container(tmp_path, services[name]) for name in NAMES]
    assert differing(configs) == {"rtc.port", "node.name", "node.url"}
    _agree(configs)
    for name, config in zip(NAMES, configs, strict=True):
        assert config.node.url == f"http://{addresses[name]}:{config.http.port}"
        assert services[name]["ports"] == [f"{config.rtc.port}:{config.rtc.port}/{kind}" for kind in ("udp", "tcp")]
    assert addresses["nginx"] in configs[0].http.trusted_proxies
    assert {f"redis://{addresses[name]}:26379" for name in services if name.startswith("sentinel")} == set(configs[0].redis.sentinels)
    watch = document["configs"]["sentinel"]["content"]
    assert f"sentinel monitor hushcast {addresses['redis']} 6379 2\n" in watch and configs[0].redis.url.endswith("@hushcast/0")
    assert services["replica"]["command"].endswith(f"--replicaof {addresses['redis']} 6379")
    needed = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose" / "several.yml").read_text()))
    assert needed == set(re.findall(r"^(\w+)=$", (DEPLOY / "compose" / "several.env").read_text(), re.MULTILINE))
