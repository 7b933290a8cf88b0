"""Files that are opened on a thread, and closed although nobody waits for that any more."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar


class Closable(Protocol):
    """What `opened` opens."""

    def close(self) -> None:
        """It is not used any more."""


F = TypeVar("F", bound=Closable)


async def opened(open_it: Callable[[], F]) -> F:
    """What `open_it` returns, which is called on a thread. Where this is cancelled meanwhile, that is closed. Raises what it raises."""
    opening = asyncio.get_running_loop().run_in_executor(None, open_it)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_closed)
        raise


def _closed(opening: "asyncio.Future[F]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
