"""Ctrl-C in a command, from its first moment on: one line and status 130, never the traceback of an import.

While modules and models are loaded there is nothing to clean up, so the process exits at once. Where there is (a child, a draft),
Ctrl-C raises KeyboardInterrupt, once. Across an exec it is blocked. `run.py` imports this with any Python version, so it uses no
new syntax.
"""

import os
import signal
import threading
from contextlib import contextmanager
from types import FrameType
from typing import Iterator, NoReturn, Optional  # noqa: UP035

LINE = "hushcast: interrupted; nothing was written"


class _Leave:
    """The handler of a program that has nothing to clean up."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __call__(self, number: int, frame: Optional[FrameType]) -> NoReturn:  # noqa: UP045
        os.write(2, (self._line + "\n").encode())
        os._exit(130)


def leave_at_once(line: str = LINE) -> None:
    """From now on Ctrl-C prints the line and ends the process. To be called first in a program; an ignored signal stays ignored.

    Unless this was called, the other functions leave the handler alone, because the program is not ours.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in a background job
        signal.signal(signal.SIGINT, _Leave(line))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def raise_it() -> None:
    """From now on it raises KeyboardInterrupt; a second one is ignored, so that it cannot disturb the cleanup."""
    if _is_ours():
        signal.signal(signal.SIGINT, _raise)


def ignore() -> None:
    """From now on it is ignored."""
    if _is_ours():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def raised() -> Iterator[None]:
    """It raises KeyboardInterrupt within the context."""
    before = signal.getsignal(signal.SIGINT)
    raise_it()
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _raise:
            signal.signal(signal.SIGINT, before)


def hold() -> None:
    """From now on it is blocked, for the program that this process is about to exec."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextmanager
def held() -> Iterator[None]:
    """It is blocked within the context, and takes effect on leaving it. A child that is started here keeps it blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _noted():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _noted() -> Iterator[None]:
    """Note it, and send it again on leaving: the kernel may give it to a library's thread, for which the mask of this one says nothing."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():  # only the main thread runs handlers
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)  # to this thread


def _is_ours() -> bool:
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, _Leave) or handler is _raise


def _raise(number: int, frame: Optional[FrameType]) -> NoReturn:  # noqa: UP045
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
