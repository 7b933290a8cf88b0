"""Lines that nobody takes are dropped and counted, and hold up nobody."""

import asyncio
import fcntl
import logging
import os
from pathlib import Path

import pytest

from web.logs.writer import MOST_LINES, LogWriter


def record(number: int) -> logging.LogRecord:
    return logging.getLogger("web").makeRecord("web", logging.INFO, "", 1, "line %s", (number,), None)


def test_lines_are_written_in_order(tmp_path: Path) -> None:
    """All of them, by the time it is closed."""
    with (tmp_path / "log").open("wb") as file:
        writer = LogWriter(file.fileno())
        for number in range(1000):
            writer.handle(record(number))
        writer.close()
        writer.close()
        writer.handle(record(0))
    assert (tmp_path / "log").read_text() == "".join(f"line {number}\n" for number in range(1000))
    assert writer.dropped == 1, "what comes later"


def test_a_full_disk_drops_and_counts() -> None:
    """/dev/full takes nothing."""
    full = os.open("/dev/full", os.O_WRONLY)
    writer = LogWriter(full)
    for number in range(10):
        writer.handle(record(number))
    writer.close()
    os.close(full)
    assert writer.dropped == 10


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_reader_that_has_stopped_holds_up_nobody(blocking: bool, stretch: float) -> None:
    """A pipe that is full: lines wait, then they are dropped and counted; when it is read again, what waited is written, whole."""
    ear, mouth = os.pipe()
    os.set_blocking(mouth, blocking)
    fcntl.fcntl(mouth, fcntl.F_SETPIPE_SZ, 4096)
    writer = LogWriter(mouth)
    many = MOST_LINES + 2000
    for number in range(many):
        writer.handle(record(number))  # returns at once, or the fixture that watches the loop says so
    assert 0 < writer.dropped <= many - MOST_LINES
    kept = many - writer.dropped
    text = b""
    async with asyncio.timeout(30 * stretch):
        while text.count(b"\n") < kept:
            text += await asyncio.to_thread(os.read, ear, 65536)
    writer.close()
    os.close(mouth)
    os.close(ear)
    lines = text.decode().splitlines()
    assert len(lines) == kept and lines[:MOST_LINES] == [f"line {number}" for number in range(MOST_LINES)]
