"""The schema's history as the room of migrations tells it."""

import re

from db import migrations


def test_the_docstring_names_every_migration() -> None:
    """What is applied and what the room's docstring lists are the same modules, in the same order."""
    assert re.findall(r"\bm\d{4}_\w+", migrations.__doc__ or "") == migrations.names()


def test_migrations_are_numbered_without_gaps() -> None:
    """The next change of the schema is the next number, so two branches that add one are found when they meet."""
    assert [int(name[1:5]) for name in migrations.names()] == list(range(1, len(migrations.names()) + 1))
