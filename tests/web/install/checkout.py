"""A small checkout with the real run.py, and a shelf of tiny wheels with their locks, for real pip."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.running import ROOT

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SERVE = "import sys, tiny; print('serving', *sys.argv[1:], tiny.VERSION)"
PYTEST = "import os, sys; print('testing', *sys.argv[1:], os.getcwd())"


class Checkout:
    """A folder with run.py and what it needs, and a shelf of wheels that stands for the package index."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shelf = folder / "checkout", folder / "shelf"
        for place in (self.folder / "web" / "cli", self.folder / "workers", self.shelf):
            place.mkdir(parents=True)
        shutil.copy(ROOT / "run.py", self.folder)
        shutil.copy(ROOT / "setup.cfg", self.folder)
        shutil.copytree(ROOT / "web" / "install", self.folder / "web" / "install", ignore=shutil.ignore_patterns("__pycache__", "locks"))
        shutil.copy(ROOT / "workers" / "interrupt.py", self.folder / "workers")
        for room in ("web", "workers"):
            (self.folder / room / "__init__.py").touch()  # else the one on PYTHONPATH, which the tests run with, would come first
        (self.folder / "web" / "serve.py").write_text(SERVE)
        for version in ("1.0", "2.0"):
            self.shelve("tiny", version)
        for name in ("torch==1.0", "torch==1.0+cpu", "deepfilternet==1.0", "cudalib==1.0"):
            self.shelve(*name.split("=="))
        self.shelve("pytest", "1.0", main=PYTEST)
        self.lock(base=["tiny==1.0"])

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    @property
    def index(self) -> dict[str, str]:
        """pip's settings: the shelf is the only index."""
        return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.shelf), "PIP_CONFIG_FILE": os.devnull}

    def lock(self, python: str = VERSION, **parts: list[str]) -> None:
        """Write the lock of a Python: {section: ["name==version", ...]}; what is not given is as usual."""
        usual = {"base": ["tiny==1.0"], "test": ["pytest==1.0"], "torch": ["torch==1.0", "cudalib==1.0"], "cuda": ["deepfilternet==1.0"]}
        usual |= {"reference": ["deepfilternet==1.0"], **parts}
        text = "".join(f"# [{name}]\n" + "".join(f"{each} {self.digest(each)}\n" for each in wanted) for name, wanted in usual.items())
        file = self.folder / "web" / "install" / "locks" / f"py{python.replace('.', '')}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def digest(self, requirement: str) -> str:
        """A wheel's hash in pip's form; for one that is not on the shelf, a hash that no file has."""
        wheel = self.shelf / f"{requirement.replace('==', '-')}-py3-none-any.whl"
        return "--hash=sha256:" + (hashlib.sha256(wheel.read_bytes()).hexdigest() if wheel.exists() else "0" * 64)

    def shelve(self, name: str, version: str, main: str = "", size: int = 0) -> None:
        """Put a wheel on the shelf, with so many bytes that do not pack."""
        with zipfile.ZipFile(self.shelf / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            described = f"{name}-{version}.dist-info"
            wheel.writestr(f"{name}/__init__.py", f"VERSION = '{version}'")
            wheel.writestr(f"{name}/__main__.py", main)
            wheel.writestr(f"{name}/sound", os.urandom(size))
            wheel.writestr(f"{described}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(f"{described}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{described}/RECORD", "")

    def start(self, *arguments: str, python: str = sys.executable, cwd: Path | None = None, **more: str) -> "subprocess.Popen[str]":
        """Start `python3 run.py ARGUMENTS`, without uv and with the shelf as the only index."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "HUSHCAST_", "CI"))}
        environment |= {**self.index, **more}
        command = [python, str(self.folder / "run.py"), *arguments]
        return subprocess.Popen(
            command,
            cwd=cwd or self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, python: str = sys.executable, cwd: Path | None = None, **more: str) -> tuple[int, str, str]:
        """Run it to its end: exit status, stdout and stderr."""
        process = self.start(*arguments, python=python, cwd=cwd, **more)
        said, error = process.communicate(timeout=100)
        return process.returncode, said, error

    def version(self, environment: str, package: str) -> str:
        """The version of an installed package."""
        ask = f"from importlib.metadata import version; print(version({package!r}))"
        return subprocess.check_output([self.folder / environment / "bin" / "python", "-c", ask], text=True).strip()


@contextmanager
def package_index(wheel: Path, breaks: int) -> Iterator[str]:
    """A package index with one file, of which the first `breaks` answers send only half."""
    left = [breaks]

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_wheel = self.path.endswith(".whl")
            body = wheel.read_bytes() if is_wheel else f'<!DOCTYPE html><a href="/{wheel.name}">{wheel.name}</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream" if is_wheel else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if is_wheel and left[0]:
                left[0] -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        finally:
            server.shutdown()
            thread.join()
