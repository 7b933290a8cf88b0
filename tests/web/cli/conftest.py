"""Installations with rows in every table, on either kind of database; each is filled once and copied for a test."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from db.connection import Database
from tests.db.test_copying import fill
from tests.support.postgres import Postgres
from tests.web.cli.installations import Installation, add_files, installed
from web.app import DATABASE

ENDED = "UPDATE recording SET state = 'ready' WHERE id IN (1, 2)"
Filled = Callable[[str], Installation]
Empty = Callable[[str], Installation]


@pytest.fixture(scope="module")
def filled_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with rows in every table, recordings 1 to 3 (2 and 1 are ready), keys and names."""
    made = installed(tmp_path_factory.mktemp("filled"))
    asyncio.run(_fill(made.place))
    made.do(ENDED)
    add_files(made.storage)
    return made.storage


@pytest.fixture(scope="module")
def filled_database(postgres_server: Postgres) -> Iterator[str]:
    """The name of a database with the same rows."""
    with postgres_server.database("hushcast") as name:
        asyncio.run(_fill(postgres_server.url(name)))
        postgres_server.do(ENDED, name)
        yield name


@pytest.fixture
def filled(filled_storage: Path, filled_database: str, postgres_server: Postgres, tmp_path: Path) -> Iterator[Filled]:
    """`filled("postgres")`: an installation in the folder `old`, with the rows on that kind of database."""
    with ExitStack() as opened:

        def of(engine: str) -> Installation:
            url = postgres_server.url(opened.enter_context(postgres_server.database(filled_database))) if engine == "postgres" else ""
            made = installed(tmp_path / "old", url)
            shutil.copytree(filled_storage, made.storage, ignore=shutil.ignore_patterns(f"{DATABASE}*" if url else ""))
            return made

        yield of


@pytest.fixture
def empty(postgres_server: Postgres, tmp_path: Path) -> Iterator[Empty]:
    """`empty("postgres")`: one with nothing in it, in the folder `new`; the database has no tables yet."""
    with ExitStack() as opened:

        def of(engine: str) -> Installation:
            url = postgres_server.url(opened.enter_context(postgres_server.database())) if engine == "postgres" else ""
            return installed(tmp_path / "new", url)

        yield of


async def _fill(place: Path | str) -> None:
    async with Database(place) as database:
        await database.run(fill)
