"""The examples are right by the interface's documents alone: they run against a server that is nothing else."""

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.async_api import expect

from tests.clients.stage import START_S, running
from tests.clients.test_examples import PYTHON
from tests.conftest import Visit
from tests.examples.changes import CHANGES, Change, changed
from tests.examples.document_server import DocumentServer, faults_of, made_of
from tests.support.people import PASSWORD
from tests.support.sound import RATE_HZ
from tests.web.interface import interface, sockets

SAID = {"watch": ["friends: text", "text is live"], "chords": ["all devices have text"], "publish": [], "listen": []}
SHORT_S = 0.3


async def ran(server: DocumentServer, folder: Path, what: str) -> tuple[int | None, list[str], str]:
    """examples/client.py does one thing: its exit status, what it prints, and what it says of errors."""
    file = folder / f"{what}.wav"
    if what == "publish":
        soundfile.write(file, np.zeros((int(SHORT_S * RATE_HZ), 2)), RATE_HZ)
    more = {"publish": [file], "listen": ["text", file, f"{SHORT_S}"]}.get(what, [])
    async with running([*PYTHON, server.url, "ada", what, *more], PASSWORD=PASSWORD) as process:
        ended = asyncio.create_task(process.communicate(b"Am7\n" if what == "chords" else None))
        while what == "watch" and not ended.done() and not server.has_open_sockets:
            await asyncio.sleep(0.02)
        if what == "watch":
            await server.hang_up()
        said, wrong = await asyncio.wait_for(ended, START_S)
    return process.returncode, said.decode().splitlines(), wrong.decode(errors="replace")[-2000:]


@pytest.mark.parametrize("what", SAID)
async def test_the_program(what: str, tmp_path: Path) -> None:
    """It asks for what the documents have and nothing else, and finds in the answers what it needs."""
    async with DocumentServer(interface(), sockets()).serving() as server:
        status, said, wrong = await ran(server, tmp_path, what)
    assert (status, said, server.faults) == (0, SAID[what], []), wrong
    assert server.heard == (["chord_change"] if what == "chords" else [])


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_the_program_notices_another_document(change: Change, tmp_path: Path) -> None:
    """Where a document has another name for what it uses, it asks for something else or finds nothing."""
    async with DocumentServer(*changed(change)).serving() as server:
        status, said, _ = await ran(server, tmp_path, change.needed_to)
    assert status or said != SAID[change.needed_to] or server.faults


async def test_the_page(visit: Visit) -> None:
    """It signs in, says who is live and is a chord pad."""
    async with DocumentServer(interface(), sockets()).serving() as server:
        page = await visit(f"{server.url}/examples/client.html")
        await page.get_by_label("Name").fill("ada")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("log")).to_have_text("\n".join([*SAID["watch"], ""]))
        await page.get_by_role("button", name="Open a chord pad").click()
        await page.get_by_role("button", name="Am7").click()
        await expect(page.get_by_role("log")).to_have_text(re.compile("(all devices have text\\s){2}$"))
    assert (server.heard, server.faults) == (["chord_change"], [])


def test_values_are_of_their_schemas() -> None:
    """Each answer that is a success, and each message, has a value, which its schema allows."""
    for path, operations in interface()["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                schema = response.get("content", {}).get("application/json", {}).get("schema")
                if schema is not None and status.startswith("2"):
                    assert not faults_of(interface(), schema, made_of(interface(), schema)), (method, path)
    for name, message in sockets()["components"]["messages"].items():
        assert not faults_of(sockets(), message["payload"], made_of(sockets(), message["payload"])), name
