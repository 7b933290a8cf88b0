"""What the commands on the database file share, which work beside a running server too: each error is one line and an exit status."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from db.connection import Database
from db.errors import Unavailable, Unusable
from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config
from web.app import place_of
from web.errors import BadRequest
from web.private_folder import private

Work = Callable[[Database, Config], Awaitable[int]]


class NotDone(Exception):
    """The command did not do what it was asked to; the text is one line."""


def answer(ask: Callable[[str], str], question: str) -> str:
    """What is typed at the terminal. Blocks the loop, on which nothing else runs here. Raises NotDone at Ctrl-C and Ctrl-D.

    ask: `input` or `getpass`. While it runs, Ctrl-C has Python's own handler: asyncio's would act only after Enter.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return ask(question)
    except (KeyboardInterrupt, EOFError):
        print(file=sys.stderr)  # ends the line of the question
        raise NotDone("interrupted; nothing was done") from None
    finally:
        signal.signal(signal.SIGINT, before)


def run_on_database(settings: Path, work: Work) -> int:
    """Call `work` with the database of these settings. Returns its status, 1 where it failed, 2 for bad settings or a bad database."""
    try:
        config = load(settings)
        with private(config.storage.path):
            return asyncio.run(_with_database(config, work))
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


async def _with_database(config: Config, work: Work) -> int:
    async with Database(place_of(config)) as database:
        return await work(database, config)
