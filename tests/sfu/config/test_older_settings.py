"""Settings of older designs in the environment."""

import logging
import re

import pytest

from sfu.config.load import load
from sfu.config.older_settings import REPLACED
from sfu.config.schema import Config
from tests.project.architecture.papers import Index
from tests.project.architecture.tree import ours
from tests.support.running import ROOT


def test_each_is_said_in_one_line_without_its_value(caplog: pytest.LogCaptureFixture) -> None:
    """A variable that is set gets a line that names it and what replaces it; another one gets none, and the value is nowhere."""
    with caplog.at_level(logging.WARNING):
        config = load(ROOT / "config.toml", dict.fromkeys(REPLACED, "secret-of-the-host"))
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" ")[0] for line in lines] == list(REPLACED)
    assert all(replacement in line for line, replacement in zip(lines, REPLACED.values(), strict=True))
    assert "secret-of-the-host" not in f"{caplog.text} {config}"


def test_nothing_is_said_of_others(caplog: pytest.LogCaptureFixture) -> None:
    """A usual environment gets no line."""
    with caplog.at_level(logging.WARNING):
        assert isinstance(load(ROOT / "config.toml", {"PATH": "/bin", "HUSHCAST_DATABASE_URL": ""}), Config)
    assert caplog.records == []


def test_what_replaces_them_is_there() -> None:
    """Each `section.key` that a replacement names is a setting, and each variable its name in the environment."""
    known = Index(ours()).settings
    for text in REPLACED.values():
        keys = set(re.findall(r"\b[a-z]+\.[a-z_]+\b", text))
        assert keys <= known
        assert {f"HUSHCAST_{key.upper().replace('.', '_')}" for key in keys} >= set(re.findall(r"HUSHCAST_\w+", text))


def test_the_table_for_readers_is_the_same() -> None:
    """docs/older_names.md has each variable with its replacement, and no others."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+) \|$", (ROOT / "docs/older_names.md").read_text(), re.MULTILINE)
    assert dict(rows) == dict(REPLACED)
