"""Firefox without a window, led by WebDriver BiDi: the least of it that a test needs (W3C, WebDriver BiDi)."""

import asyncio
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.clients.stage import START_S, running
from tests.conftest import missing_program

PROGRAMS = ("firefox-esr", "firefox")
SETTINGS: dict[str, object] = {
    "media.navigator.streams.fake": True,
    "media.navigator.audio.fake_frequency": 440,
    "media.navigator.permission.disabled": True,
    "permissions.default.microphone": 1,  # with the right to it, it may gather more than the default route's addresses
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.default_address_only": False,
    "media.peerconnection.ice.obfuscate_host_addresses": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.autoplay.block-webaudio": False,
    "media.gmp-manager.updateEnabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "services.settings.server": "http://127.0.0.1:9",
    "toolkit.telemetry.server": "http://127.0.0.1:9",
}


class Firefox:
    """One browsing context of a running Firefox. Contexts share a connection: one command at a time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, numbers: Iterator[int] | None = None) -> None:
        self._socket = socket
        self._numbers = numbers or itertools.count(1)
        self._context = ""

    async def begin(self) -> None:
        await self._command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        tree = await self._command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def before_each_page(self, function: str) -> None:
        """Call a JavaScript function in every page of every context, before its own scripts."""
        await self._command("script.addPreloadScript", functionDeclaration=function)

    async def another(self) -> "Firefox":
        """A window of somebody else, with cookies and storage of its own."""
        user = await self._command("browser.createUserContext")
        made = await self._command("browsingContext.create", type="window", userContext=user["userContext"])
        window = Firefox(self._socket, self._numbers)
        window._context = made["context"]
        return window

    async def located(self, role: str, name: str) -> list[dict[str, object]]:
        """References to all nodes with this role and exactly this name in the accessibility tree, shown or not."""
        locator = {"type": "accessibility", "value": {"role": role, "name": name}}
        found = await self._command("browsingContext.locateNodes", context=self._context, locator=locator)
        return [{"sharedId": node["sharedId"]} for node in found["nodes"]]

    async def ask(self, node: Mapping[str, object], function: str) -> Any:
        """Call a JavaScript function with that node; what it returns has to be a plain value."""
        said = await self._command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[node],
            target={"context": self._context},
            awaitPromise=True,
        )
        assert said["type"] == "success", said["exceptionDetails"]["text"]
        return said["result"].get("value")

    async def click(self, node: Mapping[str, object]) -> None:
        """Press the mouse in the middle of that node."""
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", "element": node}}
        actions = [move, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        await self._act({"type": "pointer", "id": "mouse", "actions": actions})

    async def type(self, text: str) -> None:
        """Press these keys, one after the other, where the focus is."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        await self._act({"type": "key", "id": "keyboard", "actions": actions})

    async def _act(self, device: Mapping[str, object]) -> None:
        await self._command("browsingContext.activate", context=self._context)
        await self._command("input.performActions", context=self._context, actions=[device])

    async def goto(self, url: str) -> None:
        await self._command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def call(self, function: str, *arguments: object) -> Any:
        """Call a JavaScript function with plain values, wait for its promise; what it returns has to be JSON."""
        said = await self._command(
            "script.callFunction",
            functionDeclaration=f"async text => JSON.stringify((await (\n{function})(...JSON.parse(text))) ?? null)",
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        assert said["type"] == "success", said["exceptionDetails"]["text"]
        return json.loads(said["result"]["value"])

    async def _command(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(START_S):
            while True:
                said = await self._socket.receive_json()
                if said.get("id") == number:
                    assert said["type"] == "success", said
                    return said["result"]


@asynccontextmanager
async def firefox(folder: Path, settings: Mapping[str, object] | None = None) -> AsyncIterator[Firefox]:
    """Firefox with a profile and a home in `folder`; ended with the context."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        missing_program("Firefox")
    profile = Path(tempfile.mkdtemp(prefix="profile", dir=folder))
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in (SETTINGS | dict(settings or {})).items()]
    (profile / "user.js").write_text("\n".join(lines) + "\n")
    command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"]
    home = {name: str(folder) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR")}
    async with running(command, **home, MOZ_CRASHREPORTER_DISABLE="1", DBUS_SESSION_BUS_ADDRESS="/dev/null") as process:
        address = await _address(process)
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{address}/session", max_msg_size=0) as socket:
            led = Firefox(socket)
            await led.begin()
            yield led
            await led._command("browser.close")
        await asyncio.wait_for(process.wait(), START_S)


async def _address(process: asyncio.subprocess.Process) -> str:
    """What it says on stderr: `WebDriver BiDi listening on ws://127.0.0.1:PORT`."""
    assert process.stderr is not None
    async with asyncio.timeout(START_S):
        while line := await process.stderr.readline():
            if found := re.search(rb"BiDi listening on (ws://\S+)", line):
                return found[1].decode()
    raise AssertionError(f"Firefox ended with {process.returncode}; as {os.geteuid()}")
