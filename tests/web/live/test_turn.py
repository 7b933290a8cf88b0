"""STUN and TURN servers that browsers are told of, and credentials that a real coturn takes."""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aioice import stun, turn

from sfu.config.schema import RtcConfig
from tests.conftest import missing_program
from tests.support.people import friends
from tests.support.running import Server, free_port
from tests.web.live.test_whip_whep import Caller, an_offer
from web.live.turn import LIFETIME_S, ice_server_links, turn_credential

SECRET = "between us"


def test_links_without_a_secret() -> None:
    """URLs as they are, no credentials."""
    links = ice_server_links(RtcConfig(ice_servers=("stun:stun.example.org", "turn:turn.example.org:3478")))
    assert links == ['<stun:stun.example.org>; rel="ice-server"', '<turn:turn.example.org:3478>; rel="ice-server"']


def test_credentials_end() -> None:
    """The user name says when, a day from now; STUN needs none."""
    stun_link, turn_link = ice_server_links(RtcConfig(ice_servers=("stun:x", "turns:y"), turn_secret=SECRET), now_s=1000.7)
    assert "credential" not in stun_link
    username, credential = turn_credential(SECRET, 1000.7)
    assert username == f"{1000 + LIFETIME_S}:hushcast"
    assert turn_link == f'<turns:y>; rel="ice-server"; username="{username}"; credential="{credential}"; credential-type="password"'


@pytest.fixture
async def coturn(tmp_path: Path) -> AsyncIterator[str]:
    """A TURN server on loopback that shares SECRET with us: its URL."""
    if not shutil.which("turnserver"):
        missing_program("coturn")
    port = free_port()
    options = [
        *("--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", f"{port}", "--no-tls", "--no-dtls", "--no-cli"),
        *("--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "hushcast", "--allow-loopback-peers", "--log-file", "stdout"),
        *("--userdb", str(tmp_path / "turndb"), "--pidfile", str(tmp_path / "turn.pid"), "--min-port", "49152", "--max-port", "49252"),
    ]
    process = await asyncio.create_subprocess_exec(
        "turnserver", "-n", *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(_answers, port):
                assert process.returncode is None, "coturn ended"
        yield f"turn:127.0.0.1:{port}?transport=udp"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        asking.connect(("127.0.0.1", port))
        try:
            asking.send(bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)))
            return bool(asking.recv(1500))
        except OSError:
            return False


async def test_coturn_takes_our_credentials(coturn: str, server: Callable[..., Awaitable[Server]]) -> None:
    """A user name and credential out of a WHIP answer's Link relay media through coturn; spoiled ones do not."""
    house = await server({"denoise.default": "passthrough", "rtc.ice_servers": ["stun:127.0.0.1:9", coturn], "rtc.turn_secret": SECRET})
    async with friends(house.url, "ada", "ben") as (ada, _):
        said = await Caller(ada).ask("POST", "/whip/ada", an_offer())
    links = said.headers.getall("Link")
    assert len(links) == 2 and links[0] == '<stun:127.0.0.1:9>; rel="ice-server"'
    found = re.fullmatch(r'<(turn:\S+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"; credential-type="password"', links[1])
    assert found and found[1] == coturn
    there = ("127.0.0.1", int(re.findall(r":(\d+)\?", coturn)[0]))

    class Far(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def datagram_received(self, data: bytes, addr: object) -> None:
            if not self.heard.done():
                self.heard.set_result(data)

    far_way, far = await asyncio.get_running_loop().create_datagram_endpoint(Far, local_addr=("127.0.0.1", 0))
    near_way, _ = await turn.create_turn_endpoint(asyncio.DatagramProtocol, server_addr=there, username=found[2], password=found[3])
    near_way.sendto(b"by way of coturn", far_way.get_extra_info("sockname"))
    assert await asyncio.wait_for(far.heard, 20) == b"by way of coturn"
    near_way.close()
    far_way.close()
    with pytest.raises(stun.TransactionFailed):
        await turn.create_turn_endpoint(asyncio.DatagramProtocol, server_addr=there, username=found[2], password="wrong")
    await asyncio.sleep(0.1)
