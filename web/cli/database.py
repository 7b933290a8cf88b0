"""The frame of commands that work on the database file, beside a running server too: what goes wrong is one line and an exit status."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from db.connection import Database
from db.errors import Unavailable, Unusable
from sfu.config.load import load
from sfu.config.schema import Config
from sfu.errors import BadRequest, ConfigError
from web.app import DATABASE
from web.private_folder import private

Work = Callable[[Database, Config], Awaitable[int]]


class NotDone(Exception):
    """The command could not do it; the text is one line."""


def answer(ask: Callable[[str], str], question: str) -> str:
    """What is typed at the terminal, where nothing else goes on meanwhile. Raises NotDone at Ctrl-C, which asyncio keeps for itself
    and would not tell before Enter, and at Ctrl-D.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return ask(question)
    except (KeyboardInterrupt, EOFError):
        print(file=sys.stderr)  # the question has no end of line
        raise NotDone("interrupted; nothing was done") from None
    finally:
        signal.signal(signal.SIGINT, before)


def carried_out(settings: Path, work: Work) -> int:
    """Do the work on the database of these settings. Returns its status, 1 where it was not done, 2 for bad settings or database."""
    try:
        config = load(settings)
        with private(config.storage.path):
            return asyncio.run(_opened(config, work))
    except NotDone as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 1
    except BadRequest as error:
        print(f"hushcast: {error.detail}", file=sys.stderr)
        return 1
    except (ConfigError, Unusable) as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    except Unavailable as error:
        print(f"hushcast: not done: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f"hushcast: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


async def _opened(config: Config, work: Work) -> int:
    async with Database(config.storage.path / DATABASE) as database:
        return await work(database, config)
