"""What is around a machine: a way out to the package mirrors, and an authority of certificates that asks its ports 80 and 443.

`python -m tests.project.hosting.surroundings FOLDER NETWORK`, in the machine's own network. The way out is a proxy, whose ends outside are
in NETWORK, the file of another network namespace. One line of JSON says where they are; they end with the standard input."""

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import sys
from pathlib import Path

import aiohttp

from tests.support.pebble import Pebble, trusting_nobody

PROXY_PORT = 3128
HEAD = b"\r\n\r\n"
MOST_HEAD = 8192
NEW_NETWORK = 0x40000000  # CLONE_NEWNET


def go_outside(network: str) -> None:
    """From now on sockets are made in another network; those that there are stay. Python has this call from 3.12 on."""
    handle = os.open(network, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One way of a connection, until its end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """CONNECT (RFC 9110, 9.3.6), which is all that pip asks of a proxy."""
    try:
        method, place, _ = (await reader.readuntil(HEAD)).decode().split("\r\n")[0].split(" ")
        assert method == "CONNECT", method
        host, port = place.rsplit(":", 1)
        there, out = await asyncio.open_connection(host, int(port))
    except (OSError, ValueError, AssertionError, asyncio.IncompleteReadError):
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()
        return
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.gather(carry(reader, out), carry(there, writer))
    for each in (out, writer):
        each.close()


async def main(folder: Path, network: str) -> None:
    async with Pebble(folder, http_port=80, tls_port=443) as pebble:
        context = trusting_nobody()
        async with aiohttp.ClientSession() as http, http.get(f"https://127.0.0.1:{pebble._management}/roots/0", ssl=context) as answer:
            (folder / "root.pem").write_text(await answer.text())
        listening = socket.create_server(("127.0.0.1", PROXY_PORT))
        go_outside(network)
        server = await asyncio.start_server(connect, sock=listening, limit=MOST_HEAD)
        print(json.dumps({"authority": pebble.url, "proxy": f"http://127.0.0.1:{PROXY_PORT}"}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
