"""What a server that has just started has not loaded."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from configparser import ConfigParser
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import StartServer
from tests.support.pair import speaking
from tests.support.people import signed_up
from tests.support.running import ROOT
from web.auth.passwords import HASHER, nobodys_hash

SOUND = ("libavcodec", "libavformat", "libswresample", "/av/")  # FFmpeg, of PyAV
NEVER = (*SOUND, "/PIL/", "/onnx/", "/torch/", "/scipy/")
WAIT_S = 30.0
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}


def mapped(pid: int) -> list[str]:
    """The files mapped into a process."""
    return sorted(set(re.findall(r" (/.*)$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)))


async def test_what_a_server_and_its_forkserver_map(server: StartServer) -> None:
    """Before the first broadcast no process has loaded decoders or picture libraries, and the server no model."""
    running = await server()
    [forkserver] = psutil.Process(running.pid).children()
    for pid, never in ((running.pid, (*NEVER, "onnxruntime", "rnnoise")), (forkserver.pid, (*NEVER, "cryptography"))):
        files = mapped(pid)
        assert any("libpython" in file or "/python" in file for file in files)
        assert not [file for file in files if any(each in file for each in never)]


def needed(wanted: Iterable[str]) -> set[str]:
    """The packages that these requirements bring, and what those need, by their normalised names."""
    found, left = set[str](), [Requirement(each) for each in wanted]
    while left:
        asked = left.pop()
        if canonicalize_name(asked.name) in found:
            continue
        found.add(canonicalize_name(asked.name))
        with suppress(metadata.PackageNotFoundError):  # it is left out, or for another system
            needs = [Requirement(each) for each in metadata.requires(asked.name) or ()]
            left += [each for each in needs if each.marker is None or any(each.marker.evaluate({"extra": x}) for x in asked.extras or {""})]
    return found


def for_several() -> set[str]:
    """What only the parts `nodes` and `acme` bring, as it is imported."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    always = needed(settings["options"]["install_requires"].split("\n")[1:])
    more = needed(line for part in ("nodes", "acme") for line in settings["options.extras_require"][part].split("\n")[1:])
    return {
        name
        for name, packages in metadata.packages_distributions().items()
        if {canonicalize_name(each) for each in packages} <= more - always
    }


async def test_a_server_alone_imports_nothing_for_several(server: StartServer) -> None:
    """Without Redis, PostgreSQL, S3 and ACME no package of theirs is imported, from the start over a recording to the end."""
    running = await server(PYTHONPROFILEIMPORTTIME="1")
    async with signed_up(running.url, "alice") as alice, speaking(alice, "?denoise=0&record=1"):
        await alice.call("POST", "/api/stream/stop")
        async with asyncio.timeout(WAIT_S):
            while (await alice.call("GET", "/api/recordings"))[0]["state"] not in ("ready", "failed"):
                await asyncio.sleep(0.05)
    running.stop()
    tried = re.findall(r"^import time: .*\| +([\w.]+)$", running.log, re.MULTILINE)  # peewee tries drivers that it does not get
    imported = {package for package, _, module in (name.partition(".") for name in tried) if module}
    assert {"aiohttp", "web", "db"} <= imported
    assert {"redis", "psycopg", "obstore", "acme", "josepy"} <= (parts := for_several())
    assert imported & parts == set()


def said(program: str) -> str:
    """What a fresh interpreter prints."""
    ran = subprocess.run([sys.executable, "-P", "-c", program], env=HERE, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_of_aiortc_the_server_has_dtls_alone() -> None:
    """Its other parts, and what they bring along, are not imported; whoever imports it later has the whole of it, with PyAV."""
    ask = "print(*sorted(each.partition('.')[0] for each in sys.modules if each.partition('.')[0] in"
    ask += " ('aiortc', 'aioice', 'dns', 'av', 'google_crc32c', 'cffi', 'pycparser', 'segno', 'PIL', 'zxcvbn', 'redis')))"
    assert said(f"import sys, web.serve; {ask}") == ""
    assert said("import sfu.peer.dtls, aiortc, av; print(len({aiortc.RTCPeerConnection, av.AudioFrame.from_ndarray}))") == "2"


def test_another_aiortc_is_one_clear_line() -> None:
    """One whose DTLS needs more of what is stood in for is refused at the start."""
    program = """
from sfu.peer import lean_imports
stand_in = lean_imports._with_classes
lean_imports._with_classes = lambda name, classes: stand_in(name, ())
from sfu.config.errors import ConfigError
try:
    import sfu.peer.dtls
except ConfigError as error:
    print(error)
"""
    assert "AudioFrame" in said(program) and "setup.cfg" in said(program)


def test_a_quick_start_leaves_nothing_behind() -> None:
    """aiohttp is imported without the system's certificates, the environment is restored, and `settle` turns collection on again."""
    program = """
import os
os.environ["SSL_CERT_FILE"] = "kept"
os.environ.pop("SSL_CERT_DIR", None)
from web import quick_start
import gc, aiohttp.connector
print(gc.isenabled(), len(aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()))
print(os.environ["SSL_CERT_FILE"], "SSL_CERT_DIR" in os.environ)
from web.serve import settle
settle()
print(gc.isenabled())
"""
    assert said(program).split() == ["False", "0", "kept", "False", "True"]


def test_nobodys_hash_takes_as_long_as_a_real_one() -> None:
    """It is of the parameters in force, of another one each time, and of no password."""
    assert not HASHER.check_needs_rehash(nobodys_hash()) and nobodys_hash() != nobodys_hash()
