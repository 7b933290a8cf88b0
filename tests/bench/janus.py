"""Janus for comparison: its videoroom, audio only, spoken to over its WebSocket on 127.0.0.1. Configuration made here."""

import asyncio
import contextlib
import re
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiortc import RTCCertificate

from tests.bench import network
from tests.bench.lean import Lean
from tests.bench.meters import pinned
from tests.support.running import free_port

ROOM, FEED = 1234, 1
ANSWER_S = 10.0
KEEP_ALIVE_S = 20.0
START_S = 15.0

_MAIN = """
general: {{
  configs_folder = "{folder}"
  plugins_folder = "{plugins}"
  transports_folder = "{transports}"
  debug_level = 2
}}
media: {{ rtp_port_range = "{first}-{last}" }}
nat: {{ ice_lite = true }}
plugins: {{ disable = "{other_plugins}" }}
transports: {{ disable = "{other_transports}" }}
"""
_WEBSOCKETS = """
general: {{ json = "compact" ws = true ws_port = {port} ws_ip = "127.0.0.1" }}
"""


def installed() -> bool:
    """Is it here, and can it be reached? Not over 127.0.0.1, which libnice leaves out: only in a network of our own."""
    return network.inside() and shutil.which("janus") is not None and _libraries() is not None


def _libraries() -> Path | None:
    """The folder with Janus's plugins/ and transports/."""
    return next(iter(sorted(Path("/usr/lib").glob("*/janus"))), None) or next(iter(sorted(Path("/usr/lib").glob("janus"))), None)


def configure(folder: Path) -> int:
    """Write the configuration; the port of its WebSocket."""
    libraries, port = _libraries(), free_port()
    assert libraries is not None

    def others(kind: str, wanted: str) -> str:
        return ",".join(file.name for file in sorted((libraries / kind).glob("*.so")) if file.name != wanted)

    main = _MAIN.format(
        folder=folder,
        plugins=libraries / "plugins",
        transports=libraries / "transports",
        first=20_000,
        last=29_999,
        other_plugins=others("plugins", "libjanus_videoroom.so"),
        other_transports=others("transports", "libjanus_websockets.so"),
    )
    (folder / "janus.jcfg").write_text(main)
    (folder / "janus.transport.websockets.jcfg").write_text(_WEBSOCKETS.format(port=port))
    return port


@asynccontextmanager
async def running(folder: Path, cores: set[int]) -> AsyncIterator[tuple["subprocess.Popen[bytes]", str]]:
    """The process, on these cores, and the URL of its WebSocket, with an empty room."""
    port = configure(folder)
    with pinned(cores), (folder / "janus.log").open("wb") as log:
        command = ["janus", "--config", str(folder / "janus.jcfg"), "--configs-folder", str(folder)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = f"ws://127.0.0.1:{port}/"
        await _until_answering(process, url, folder / "janus.log")
        async with aiohttp.ClientSession() as http, Signalling.open(http, url) as janus:
            handle = await janus.attach()
            await janus.message(handle, {"request": "create", "room": ROOM, "publishers": 1, "audiocodec": "opus"})
            yield process, url
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


async def _until_answering(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    async with asyncio.timeout(START_S), aiohttp.ClientSession() as http:
        while True:
            assert process.poll() is None, f"janus ended:\n{log.read_text(errors='replace')[-2000:]}"
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with http.ws_connect(url, protocols=["janus-protocol"]):
                    return
            await asyncio.sleep(0.05)


class Signalling:
    """One session of Janus. `message` waits for the plugin's answer, not for the acknowledgement before it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = 0
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, http: aiohttp.ClientSession, url: str) -> AsyncIterator["Signalling"]:
        async with http.ws_connect(url, protocols=["janus-protocol"]) as socket:
            signalling = cls(socket)
            tasks = [asyncio.create_task(signalling._listen(), name="janus"), asyncio.create_task(signalling._keep_alive(), name="janus")]
            try:
                signalling._session = (await signalling._ask({"janus": "create"}))["data"]["id"]
                yield signalling
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def attach(self) -> int:
        answer = await self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return int(answer["data"]["id"])

    async def message(self, handle: int, body: dict[str, object], sdp: str | None = None, kind: str = "") -> tuple[dict[str, Any], str]:
        """The plugin's data and the SDP that came with it. kind: offer or answer, what `sdp` is."""
        request: dict[str, object] = {"janus": "message", "handle_id": handle, "body": body}
        if sdp is not None:
            request["jsep"] = {"type": kind, "sdp": sdp}
        answer = await self._ask(request)
        said = answer["plugindata"]["data"]
        assert "error" not in said, said
        return said, answer.get("jsep", {}).get("sdp", "")

    async def _ask(self, request: dict[str, object]) -> dict[str, Any]:
        transaction = secrets.token_hex(6)
        self._waiting[transaction] = asyncio.get_running_loop().create_future()
        if self._session:
            request["session_id"] = self._session
        try:
            await self._socket.send_json({**request, "transaction": transaction})
            answer = await asyncio.wait_for(self._waiting[transaction], ANSWER_S)
        finally:
            del self._waiting[transaction]
        assert answer["janus"] != "error", answer
        return answer

    async def _listen(self) -> None:
        async for message in self._socket:
            said = message.json()
            future = self._waiting.get(said.get("transaction", ""))
            if future is not None and said["janus"] != "ack" and not future.done():
                future.set_result(said)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            await self._socket.send_json({"janus": "keepalive", "session_id": self._session, "transaction": "alive"})


async def publish(janus: Signalling, phone: Lean) -> None:
    """The room's one voice."""
    certificate = RTCCertificate.generateCertificate()
    handle = await janus.attach()
    body: dict[str, object] = {"request": "joinandconfigure", "ptype": "publisher", "room": ROOM, "id": FEED, "audio": True, "video": False}
    _, phone.answer = await janus.message(handle, body, phone._offer(certificate, "sendonly", red=False), "offer")
    await phone.connect(certificate)


async def listen(janus: Signalling, phone: Lean) -> None:
    """Subscribe: here it is Janus that offers."""
    certificate = RTCCertificate.generateCertificate()
    handle = await janus.attach()
    join: dict[str, object] = {"request": "join", "ptype": "subscriber", "room": ROOM, "streams": [{"feed": FEED}]}
    _, offered = await janus.message(handle, join)
    await janus.message(handle, {"request": "start"}, answer_to(offered, phone._offer(certificate, "recvonly", red=False)), "answer")
    phone.answer = offered  # "actpass", which makes us the server: Janus would lose a ClientHello that comes at once, for a second
    await phone.connect(certificate)


def answer_to(offered: str, own: str) -> str:
    """Our own offer made into an answer: the same section, and nothing that was not offered."""
    [mid] = re.findall(r"a=mid:(\S+)", offered)
    lines = [line for line in own.splitlines() if not line.startswith(("a=extmap:", "a=rtcp-fb:"))]
    text = "\r\n".join(lines) + "\r\n"
    return text.replace("a=setup:actpass", "a=setup:passive").replace("a=mid:0", f"a=mid:{mid}").replace("BUNDLE 0", f"BUNDLE {mid}")
