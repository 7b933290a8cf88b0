"""Child processes that do one piece of work on recordings: each is waited for, and killed when nobody waits any more."""

import asyncio
import contextlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


class ChildFailed(Exception):
    """The child ended with another status than 0. The text is the last line that it wrote to stderr."""


async def run_module(module: str, *arguments: object) -> bytes:
    """`python -m module arguments` from the checkout; what it wrote to stdout. Raises ChildFailed, OSError; kills it when cancelled."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *map(str, arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await child.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):  # gone already, and only its last words are not read yet
            child.kill()
        await child.communicate()
        raise
    if child.returncode:
        lines = complained.decode(errors="replace").strip().splitlines()
        raise ChildFailed(lines[-1] if lines else f"status {child.returncode}")
    return said
