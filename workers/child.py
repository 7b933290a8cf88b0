"""Child processes that do one piece of work on recordings: each is waited for, and killed when nobody waits any more."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


class ChildFailed(Exception):
    """The child ended with another status than 0. The text is the last line that it wrote to stderr."""


async def run_module(module: str, *arguments: object) -> bytes:
    """`python -m module arguments` from the checkout; what it wrote to stdout. Raises ChildFailed, OSError; kills it when cancelled."""
    return await run([sys.executable, "-m", module, *map(str, arguments)])


async def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> bytes:
    """As `run_module`, of any command, in another environment where one is given."""
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment,
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
