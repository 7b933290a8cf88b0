"""The container of one server: hadolint reads its Dockerfile; its steps are taken in a Debian of their own, and the server runs as said."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from sfu.config.load import load
from tests.conftest import missing_program
from tests.project.hosting.dockerfile import Build, Image, context, instructions, is_left_out
from tests.support.debian_root import environment
from tests.support.running import ROOT
from web.install.tools import WHEELS_FOLDER
from web.serve import END_S

FILE = ROOT / "deploy" / "container" / "Dockerfile"
SEVERAL = yaml.safe_load((ROOT / "deploy" / "compose" / "several.yml").read_text())["services"]
COMPOSE = yaml.safe_load((ROOT / "deploy" / "container" / "compose.yml").read_text())["services"]["hushcast"]
SETTINGS = dict(re.findall(r"^(\w+)=(.*)$", (FILE.parent / COMPOSE["env_file"]).read_text(), re.MULTILINE))
HADOLINT = WHEELS_FOLDER / "bin" / "hadolint"
COMPILERS = ("cc", "gcc", "c++", "g++", "clang", "make", "ld", "as", "git", "rustc", "go")
DENOISER = "deepfilternet3"
MOST_MB = 900  # of the image, without what Debian's own image is


def test_hadolint_has_nothing_to_say() -> None:
    """No warning and no error, of each Dockerfile under deploy/."""
    if not HADOLINT.is_file():
        missing_program("hadolint")
    files = [str(file) for file in (ROOT / "deploy").rglob("Dockerfile*")]
    done = subprocess.run([HADOLINT, "--no-color", "--failure-threshold=warning", *files], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_what_the_image_is_made_of() -> None:
    """The server and its settings; no tests, no environment, no data, no byte code, no history."""
    files = {str(file) for file in context(ROOT)}
    assert {"run.py", "config.toml", "setup.cfg", "LICENSE", "web/serve.py", "web/install/locks/py311.txt"} <= files
    assert {file.partition("/")[0] for file in files} == {"run.py", "config.toml", "setup.cfg", "LICENSE", "db", "sfu", "web", "workers"}
    assert not [file for file in files if "__pycache__" in file or file.endswith(".pyc")]
    rules = ["*", "!a", "a/b*", "!a/bc", "**/d"]
    cases = {"x": True, "a": False, "a/x": False, "a/b": True, "a/bc": False, "a/bd/e": True, "a/d": True, "a/x/d/y": True}
    assert {path: is_left_out(Path(path), rules) for path in cases} == cases


def test_an_unknown_step_is_refused(tmp_path: Path) -> None:
    """Comments and continued lines are read as Docker reads them; an instruction that is not known here is not passed over."""
    text = "# a\nFROM b AS c\nRUN d \\\n    # e\n    && f\n"
    assert instructions(text) == [("FROM", "b AS c"), ("RUN", "d && f")]
    with ExitStack() as stack, pytest.raises(AssertionError, match="only debian"):
        (tmp_path / "Dockerfile").write_text(text)
        Build(ROOT, tmp_path, stack, {}).image(tmp_path / "Dockerfile")


def test_compose_and_dockerfile_agree() -> None:
    """The ports and the volume of one are those of the other, the settings are the server's, and the server has time to leave."""
    words = dict(instructions(FILE.read_text().partition("\nFROM ")[2]))
    assert {port.split(":")[1] for port in COMPOSE["ports"]} == set(words["EXPOSE"].split())
    assert [volume.split(":")[1] for volume in COMPOSE["volumes"]] == [words["VOLUME"]]
    assert words["ENV"] == f"HUSHCAST_STORAGE_PATH={words['VOLUME']}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        config = load(ROOT / "config.toml")
    inside = {port.split(":")[1] for port in COMPOSE["ports"]}
    assert inside == {f"{config.http.port}/tcp", f"{config.http.acme_port}/tcp", f"{config.rtc.port}/udp", f"{config.rtc.port}/tcp"}
    outside = dict(reversed(port.split(":")) for port in COMPOSE["ports"])
    assert (outside[f"{config.http.port}/tcp"], outside[f"{config.http.acme_port}/tcp"]) == ("443", "80")
    assert outside[f"{config.rtc.port}/udp"] == outside[f"{config.rtc.port}/tcp"] == str(config.rtc.port)
    assert int(COMPOSE["stop_grace_period"].rstrip("s")) >= END_S


def test_what_installs_can_make_an_environment() -> None:
    """Packages are added in a stage that has Debian's venv, without which an environment that is there is taken for broken."""
    for file in (ROOT / "deploy").rglob("Dockerfile*"):
        for stage in re.split(r"^FROM ", file.read_text(), flags=re.MULTILINE)[1:]:
            assert "run.py install" not in stage or "python3-venv" in stage.partition("run.py install")[0], file


def test_several_servers_have_their_packages() -> None:
    """Each is the same image, built of the Dockerfile of one server with more parts."""
    built_here = [service["build"] for service in SEVERAL.values() if "build" in service]
    assert len(built_here) == 3 and all(each == built_here[0] for each in built_here)
    assert built_here[0]["dockerfile"] == str(FILE.relative_to(ROOT)) and set(built_here[0]["args"]["PARTS"].split()) == {"acme", "nodes"}
    assert ("ARG", 'PARTS="acme"') in instructions(FILE.read_text()), "what the compose file asks for is what the Dockerfile installs"
    assert "run.py install $PARTS " in FILE.read_text()


@pytest.mark.slow
@pytest.mark.tolerates("fds", "memory")
def test_the_image_of_several_servers(tmp_path: Path) -> None:
    """It is built with the packages of several servers, which its user can load."""
    with ExitStack() as stack:
        image = Build(ROOT, tmp_path, stack, SEVERAL["one"]["build"]["args"]).image(FILE)
        check = "import acme, obstore, psycopg, redis.asyncio; print('loaded')"
        assert image.root.run(["/opt/hushcast/.venv/bin/python", "-c", check], user=image.user).strip() == "loaded"


class Container:
    """The image, running as compose.yml says: its own network, a root that cannot be written, one volume, no rights."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.log = ""
        self._listening = threading.Event()
        self._prepare()
        # nobody is there whom it could ask for a certificate: it serves with its own meanwhile
        self._variables = environment({**image.variables, **SETTINGS, "HUSHCAST_HTTP_ACME_URL": "https://127.0.0.1:9/dir"})
        self._process = subprocess.Popen(
            image.command(image.start), env=self._variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _prepare(self) -> None:
        """What an engine makes of read_only, tmpfs, shm_size and a new volume, which takes over the owner of its folder."""
        assert COMPOSE["read_only"] and COMPOSE["cap_drop"] == ["ALL"] and COMPOSE["security_opt"] == ["no-new-privileges:true"]
        (volume,) = [words for name, words in self.image.said if name == "VOLUME"]
        whose = self.image.root.run(["stat", "--format=uid=%u,gid=%g,mode=%a", volume]).strip()
        mounts = [f"mount -t tmpfs -o {whose} tmpfs {volume}", f"mount -o remount,size={COMPOSE['shm_size']} /dev/shm"]
        mounts += [f"mount -t tmpfs -o mode=1777 tmpfs {place}" for place in COMPOSE["tmpfs"]]
        self.image.root.run(["sh", "-ec", "\n".join([*mounts, "mount -o remount,bind,ro /"])])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line.decode(errors="replace")
            if line.startswith(b"listening "):
                self._listening.set()
        self._listening.set()

    def listening(self, timeout_s: float) -> str:
        """Wait until it serves; where."""
        assert self._listening.wait(timeout_s) and "\nlistening " in f"\n{self.log}", self.log
        return re.findall(r"^listening (\S+)", self.log, re.MULTILINE)[0].rstrip("/")

    def ailing(self) -> str:
        """What its HEALTHCHECK says where it fails, else ""."""
        command = self.image.command(self.image.health)
        done = subprocess.run(command, env=self._variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return f"status {done.returncode}\n{done.stdout}" if done.returncode else ""

    def stop(self) -> int:
        """SIGTERM to the process that the image starts, as `docker stop` does; its status."""
        (child,) = psutil.Process(self._process.pid).children()
        child.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()


@contextmanager
def built(folder: Path) -> Iterator[Image]:
    """The image, with the weights in it."""
    with ExitStack() as stack:
        yield Build(ROOT, folder, stack, {"WEIGHTS": DENOISER}).image(FILE)


@pytest.mark.slow
@pytest.mark.tolerates("fds", "memory")
def test_a_server_in_the_container(tmp_path: Path, audio_folder: Path, stretch: float) -> None:
    """Built from nothing; it serves without a right and a writable root, is healthy, a voice is heard; what it keeps is in the volume."""
    with built(tmp_path) as image:
        root = image.root
        assert root.run(["sh", "-c", f"command -v {' '.join(COMPILERS)}; true"]) == ""
        size_mb = int(root.run(["du", "-sxm", "/opt/hushcast"]).split()[0])
        assert size_mb < MOST_MB, size_mb
        assert root.run(["id", "--user", "--name"], user=image.user).strip() == "hushcast"
        container = Container(image)
        try:
            url = container.listening(120 * stretch)
            assert container.ailing() == ""
            print(f"{size_mb} MB;", run_visitor(image, url, audio_folder))
            kept = set(root.run(["ls", "-A", "/data"]).split())
            assert {"hushcast.db", "keys", "recordings", "cache"} <= kept, kept
            assert "Traceback" not in container.log
        finally:
            status = container.stop()
        assert status == 0 and "Connection refused" in container.ailing(), container.log


def run_visitor(image: Image, url: str, audio_folder: Path) -> str:
    """Two people in the container's network; what they say in the end."""
    port = url.rsplit(":", 1)[1]
    command = ["nsenter", f"--target={image.root.pid}", "--net", sys.executable, "-P", "-m", "tests.project.hosting.visitor"]
    done = subprocess.run(
        [*command, f"http://localhost:{port}", audio_folder / "noisy_snr0.wav", DENOISER],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
