"""Ctrl-C in a command, from its first moment on: one line and status 130, never the traceback of an import.

While modules and models are loaded nothing is half done, so the process just leaves. Where something has to be taken away again (a
child, a draft) Ctrl-C is a KeyboardInterrupt, once. From one program to the next, by exec, it waits. `run.py` takes this under any Python
that there is, so it uses nothing new.
"""

import os
import signal
from contextlib import contextmanager
from types import FrameType
from typing import Iterator, NoReturn, Optional  # noqa: UP035

LINE = "hushcast: interrupted; nothing was written"


class _Leave:
    """The handler of a program that has nothing to take away."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __call__(self, number: int, frame: Optional[FrameType]) -> NoReturn:  # noqa: UP045
        os.write(2, (self._line + "\n").encode())
        os._exit(130)


def leave_at_once(line: str = LINE) -> None:
    """From now on Ctrl-C prints the line and ends the process. For the first statement of a program; ignored stays ignored.

    Without this the other functions leave the handler alone: it is somebody else's program.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a job in the background has it
        signal.signal(signal.SIGINT, _Leave(line))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def raise_it() -> None:
    """From now on it is a KeyboardInterrupt; a second one is not heard, so that nothing disturbs the tidying up."""
    if _is_ours():
        signal.signal(signal.SIGINT, _raise)


def ignore() -> None:
    """From now on it comes too late."""
    if _is_ours():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def raised() -> Iterator[None]:
    """It is a KeyboardInterrupt meanwhile."""
    before = signal.getsignal(signal.SIGINT)
    raise_it()
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _raise:
            signal.signal(signal.SIGINT, before)


def hold() -> None:
    """From now on it waits, for the program that this one is about to become."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextmanager
def held() -> Iterator[None]:
    """It waits meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_ours() -> bool:
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, _Leave) or handler is _raise


def _raise(number: int, frame: Optional[FrameType]) -> NoReturn:  # noqa: UP045
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
