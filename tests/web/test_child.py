"""One-off child processes (workers/child.py): their words, their failures, and their end when nobody waits any more."""

import asyncio
import os
import signal
import textwrap
from pathlib import Path

import psutil
import pytest
import uvloop

from workers import child

uvloop.new_event_loop().close()  # libuv's own pipe for signals, made once for the process and kept
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> asyncio.Runner:
    """Both loops: what is wrong with a child that is gone, each says at another moment."""
    return asyncio.Runner(loop_factory=LOOPS[request.param])


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(child, "ROOT", tmp_path)
    return tmp_path


def module(folder: Path, text: str) -> str:
    (folder / "child_at_work.py").write_text(textwrap.dedent(text))
    return "child_at_work"


async def until(path: Path) -> str:
    for _ in range(2000):
        if path.exists() and (text := path.read_text()):
            return text
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} never came")


def test_what_it_says_comes_back(loop: asyncio.Runner, own_modules: Path) -> None:
    name = module(own_modules, "import sys\nprint('heard', *sys.argv[1:])")
    with loop:
        assert loop.run(child.run_module(name, "a", 7)) == b"heard a 7\n"


def test_a_failure_is_its_last_line(loop: asyncio.Runner, own_modules: Path) -> None:
    name = module(own_modules, "import sys\nprint('first\\nlast', file=sys.stderr)\nsys.exit(3)")
    with loop, pytest.raises(child.ChildFailed, match=r"^last$"):
        loop.run(child.run_module(name))


def test_nobody_waits_any_more_and_it_is_killed(loop: asyncio.Runner, own_modules: Path) -> None:
    pid_file = own_modules / "pid"
    name = module(own_modules, f"import os, time\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")

    async def cancel() -> int:
        running = asyncio.create_task(child.run_module(name))
        pid = int(await until(pid_file))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return pid

    with loop:
        pid = loop.run(cancel())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_cancelled_when_it_has_just_ended_is_cancelled_all_the_same(loop: asyncio.Runner, own_modules: Path) -> None:
    """The child is gone and reaped while its pipes are still open (here: a process of its own holds them until a file is gone)."""
    pid_file, held = own_modules / "pid", own_modules / "held"
    held.touch()
    name = module(
        own_modules,
        f"""
        import os, time
        pid = os.getpid()
        if os.fork():
            os._exit(0)
        open({str(pid_file)!r}, "w").write(str(pid))
        while os.path.exists({str(held)!r}):
            time.sleep(0.01)
        """,
    )

    async def cancel() -> None:
        running = asyncio.create_task(child.run_module(name))
        try:
            pid = int(await until(pid_file))
            async with asyncio.timeout(20):
                while psutil.pid_exists(pid):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # the loop hears of its end
            running.cancel()
            for _ in range(20):  # turns of the loop, in which it comes to the kill
                await asyncio.sleep(0)
            assert not running.done()
        finally:
            held.unlink()
        with pytest.raises(asyncio.CancelledError):
            await running

    with loop:
        loop.run(cancel())
