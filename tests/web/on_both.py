"""For folders of tests that run on each kind of database: their conftest imports `database_of`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.postgres import Postgres

# For a test of what takes long and asks the rows nothing that others do not ask: of sound, of limits, of a file on the disk.
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def database_of(engine: str, request: pytest.FixtureRequest) -> Iterator[Callable[[Path], str]]:
    """`database.url` of the house in a folder: the same one each time for the same folder; "" on SQLite."""
    if engine == "sqlite":
        yield lambda _: ""
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    made: dict[Path, str] = {}
    with ExitStack() as opened:

        def of(folder: Path) -> str:
            if folder not in made:
                made[folder] = server.url(opened.enter_context(server.database("hushcast")))
            return made[folder]

        yield of
