"""Child processes of the server and of commands: the one way to run one of our modules to its end.

All of them get the same interpreter flags, working folder and environment (`workers.root`), no stdin, and bounded buffers for what they
write. A child is dead when the call returns, raises or is cancelled; it dies with its parent, because each module's `main` begins
with `pdeathsig.leave_with_parent`. `run_module` and `run` are for the event loop, `run_and_wait` and `started` for commands.

Long-lived processes that get descriptors are not started here: link/forkserver, forkserver/spawn, files/denoiser_process.
"""

import asyncio
import contextlib
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from workers import interrupt
from workers.pdeathsig import PARENT
from workers.root import ROOT, module_command, module_environment

MOST_OUTPUT = 64 << 20  # bytes of stdout that are returned
LONGEST_LINE = 65_536  # bytes; of a longer line, the last ones count
_LONGEST_MESSAGE = 600  # characters of a child's last line


class ChildFailed(Exception):
    """The child ended with a status other than 0, or wrote too much. The text is the last line that it wrote to stderr."""


async def run_module(
    module: str, *arguments: object, environment: Mapping[str, str] | None = None, on_line: Callable[[str], None] | None = None
) -> bytes:
    """Run one of our modules in this Python; its stdout, or nothing where `on_line` is given.

    environment: changes to this process's. on_line: called with each line of stdout as it comes. Raises ChildFailed, OSError.
    """
    return await run(module_command(module, *arguments), module_environment(**(environment or {})), on_line)


async def run(command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str], None] | None = None) -> bytes:
    """As `run_module`, with any command in just this environment."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=with_parent(environment), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    assert child.stdout is not None and child.stderr is not None
    reading = _all(child.stdout) if on_line is None else _each_line(child.stdout, on_line)
    try:
        async with asyncio.TaskGroup() as readers:
            output = readers.create_task(reading)
            message = readers.create_task(_tail(child.stderr))
        status = await child.wait()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):  # it has ended, and its pipes are not read to their end yet
            child.kill()
        await asyncio.gather(_tail(child.stdout), _tail(child.stderr))
        await child.wait()
        if isinstance(error, ExceptionGroup):  # of the readers
            raise error.exceptions[0] from None
        raise
    if status:
        raise ChildFailed(_last_line(message.result(), status))
    return output.result()


def with_parent(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with this process named as the parent: `leave_with_parent` then also sees that it died before the child began."""
    return {**environment, PARENT: str(os.getpid())}


async def _all(stream: asyncio.StreamReader) -> bytes:
    """What is written until the stream ends. Raises ChildFailed beyond MOST_OUTPUT."""
    output = bytearray()
    while chunk := await stream.read(LONGEST_LINE):
        output += chunk
        if len(output) > MOST_OUTPUT:
            raise ChildFailed(f"more than {MOST_OUTPUT} bytes of output")
    return bytes(output)


async def _tail(stream: asyncio.StreamReader) -> bytes:
    """The last LONGEST_LINE bytes of the stream."""
    tail = b""
    while chunk := await stream.read(LONGEST_LINE):
        tail = (tail + chunk)[-LONGEST_LINE:]
    return tail


async def _each_line(stream: asyncio.StreamReader, use: Callable[[str], None]) -> bytes:
    """Call `use` with each line, also with a last one that no newline ends. Returns nothing."""
    rest = b""
    while chunk := await stream.read(LONGEST_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[-LONGEST_LINE:]
        for line in lines:
            use(line.decode(errors="replace").strip())
    if rest:
        use(rest.decode(errors="replace").strip())
    return b""


def run_and_wait(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    timeout_s: float | None = None,
    killed: Callable[[int], object] = lambda pid: None,
) -> None:
    """Run a command to its end and ignore its stdout. Blocks.

    killed: called with the pid where the child did not end by itself. Raises ChildFailed, OSError, TimeoutError.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    tail = b""
    try:
        with started(command, environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, killed=killed) as child:
            assert child.stderr is not None
            while chunk := _read(child.stderr.fileno(), deadline):
                tail = (tail + chunk)[-LONGEST_LINE:]
            status = child.wait(None if deadline is None else max(deadline - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no end within {timeout_s:g} s") from error
    if status:
        raise ChildFailed(_last_line(tail, status))


def _read(fd: int, deadline: float | None) -> bytes:
    """The next bytes of a pipe, nothing at its end. Raises TimeoutError."""
    if deadline is not None:
        ready = select.poll()
        ready.register(fd, select.POLLIN)
        if not ready.poll(max(deadline - time.monotonic(), 0.0) * 1000):
            raise TimeoutError("no answer")
    return os.read(fd, LONGEST_LINE)


@contextlib.contextmanager
def started(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdout: int,
    stderr: int,
    killed: Callable[[int], object] = lambda pid: None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A running child; killed and reaped on leaving. stdout, stderr: as for Popen. Raises OSError.

    killed: called with the pid where the child did not end by itself.
    """
    with contextlib.ExitStack() as ending:
        with interrupt.held():  # a Ctrl-C that came meanwhile is raised after this, when the child is sure to be killed
            child = ending.enter_context(
                subprocess.Popen(command, cwd=ROOT, env=with_parent(environment), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
            )
            ending.callback(_end, child, killed)
        yield child


def _end(child: subprocess.Popen[bytes], killed: Callable[[int], object]) -> None:
    if child.poll() is None:
        child.kill()
        child.wait()
        killed(child.pid)


def _last_line(message: bytes, status: int) -> str:
    lines = message.decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:_LONGEST_MESSAGE] if lines else f"status {status}"
