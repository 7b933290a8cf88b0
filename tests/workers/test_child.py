"""One-off child processes (workers/child.py): their output, their failures, and their end when nobody waits for them any more."""

import asyncio
import os
import signal
import subprocess
import textwrap
from pathlib import Path

import psutil
import pytest
import uvloop

from workers import child
from workers.pdeathsig import PARENT
from workers.root import ROOT, module_command, module_environment

uvloop.new_event_loop().close()  # libuv's own pipe for signals, made once for the process and kept
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> asyncio.Runner:
    """Both loops: what is wrong with a child that is gone, each says at another moment."""
    return asyncio.Runner(loop_factory=LOOPS[request.param])


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
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


def test_what_a_child_writes_is_bounded(loop: asyncio.Runner, own_modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that writes without end to stdout is killed; of its stderr the end is kept."""
    monkeypatch.setattr(child, "MOST_OUTPUT", 100_000)
    name = module(own_modules, "import sys\nwhile True: sys.stdout.write('x' * 1000)")
    with loop, pytest.raises(child.ChildFailed, match="more than 100000 bytes"):
        loop.run(child.run_module(name))


def test_long_words_on_stderr(loop: asyncio.Runner, own_modules: Path) -> None:
    name = module(own_modules, "import sys\nsys.stderr.write('x' * 1_000_000 + '\\nlast\\n')\nsys.exit(1)")
    with loop, pytest.raises(child.ChildFailed, match=r"^last$"):
        loop.run(child.run_module(name))


def test_a_line_that_does_not_end(loop: asyncio.Runner, own_modules: Path) -> None:
    """Of what a library writes at length and without a newline, as progress is drawn, the beginning of the end is told."""
    name = module(own_modules, "import sys\nsys.stderr.write('x' * 200_000)\nsys.exit(1)")
    with loop, pytest.raises(child.ChildFailed, match=r"^x{600}$"):
        loop.run(child.run_module(name))


def test_lines_come_one_by_one(loop: asyncio.Runner, own_modules: Path) -> None:
    name = module(own_modules, "print('a\\nb'); print('c', end='')")
    lines: list[str] = []
    with loop:
        assert loop.run(child.run_module(name, on_line=lines.append)) == b""
    assert lines == ["a", "b", "c"]


def test_a_reader_that_fails_ends_the_child(loop: asyncio.Runner, own_modules: Path) -> None:
    name = module(own_modules, "import time\nprint('a', flush=True)\ntime.sleep(60)")

    def fail(line: str) -> None:
        raise ValueError(line)

    with loop, pytest.raises(ValueError, match=r"^a$"):
        loop.run(child.run_module(name, on_line=fail))


def test_every_child_has_the_same_path(loop: asyncio.Runner, own_modules: Path) -> None:
    """The checkout is first, then what the user has; the working folder is not searched; stdin is empty."""
    name = module(own_modules, "import os, sys\nprint(os.getcwd(), sys.flags.safe_path, sys.stdin.read() == '', os.environ['PYTHONPATH'])")
    with loop:
        told = loop.run(child.run_module(name)).decode().split()
    assert told == [str(ROOT), "True", "True", f"{ROOT}{os.pathsep}{own_modules}"]


def test_without_a_loop(own_modules: Path) -> None:
    name = module(own_modules, "import sys\nprint('first\\nlast', file=sys.stderr)\nsys.exit(int(sys.argv[1]))")
    child.run_and_wait(module_command(name, 0), module_environment())
    with pytest.raises(child.ChildFailed, match=r"^last$"):
        child.run_and_wait(module_command(name, 3), module_environment())


@pytest.mark.parametrize("closed", [False, True])
def test_without_a_loop_it_is_killed_in_time(own_modules: Path, closed: bool) -> None:
    """Where it does not end, whether or not it can still speak; whoever asked may tidy up after it."""
    name = module(own_modules, f"import os, time\n{closed} and os.close(2)\ntime.sleep(60)")
    killed: list[int] = []
    with pytest.raises(TimeoutError):
        child.run_and_wait(module_command(name), module_environment(), timeout_s=1, killed=killed.append)
    (pid,) = killed
    assert not psutil.pid_exists(pid)


def test_interrupted_as_it_begins(own_modules: Path, ctrl_c_at_birth: list[int]) -> None:
    """Ctrl-C that comes while a child is started ends that child too, before it can ask to die with its parent."""
    name = module(own_modules, "import time\ntime.sleep(60)")
    killed: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        child.run_and_wait(module_command(name), module_environment(), killed=killed.append)
    assert killed == ctrl_c_at_birth and not psutil.pid_exists(killed[0])


def test_children_die_with_their_parent(own_modules: Path) -> None:
    """A module that begins as ours do ends when the process that runs it is killed."""
    pid_file = own_modules / "pid"
    name = module(
        own_modules,
        f"""
        import os, time
        from workers.pdeathsig import leave_with_parent
        leave_with_parent()
        open({str(pid_file)!r}, "w").write(str(os.getpid()))
        time.sleep(60)
        """,
    )
    code = f"from workers.child import *; run_and_wait({module_command(name)!r}, module_environment())"
    parent = subprocess.Popen([*module_command(name)[:1], "-c", code], cwd=ROOT)
    try:
        running = psutil.Process(int(asyncio.run(until(pid_file))))
    finally:
        parent.kill()
        parent.wait()
    running.wait(10)


def test_every_module_that_is_run_begins_so() -> None:
    run = {file for file in (ROOT / "workers").rglob("*.py") if '__name__ == "__main__"' in file.read_text()}
    assert ROOT / "workers" / "recordings" / "finalise.py" in run
    exceptions = {ROOT / "workers" / "files" / "main.py"}  # the user's own command
    assert [str(file) for file in run - exceptions if "leave_with_parent(" not in file.read_text()] == []


def test_a_child_whose_parent_is_gone_already_ends_at_once(loop: asyncio.Runner, own_modules: Path) -> None:
    """It is told who its parent is; the name is not handed on to its own children."""
    name = module(own_modules, "import os\nfrom workers.pdeathsig import *\nleave_with_parent()\nprint('there', PARENT in os.environ)")
    with loop:
        assert loop.run(child.run_module(name)) == b"there False\n"
    orphan = subprocess.run(
        module_command(name), env=module_environment() | {PARENT: "1"}, cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert (orphan.returncode, orphan.stdout) == (0, b"")
