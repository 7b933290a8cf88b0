"""Compose files under deploy/ are valid by the compose specification's schema, and name what is there."""

from pathlib import Path

import pytest

from tests.support.compose_schema import faults
from tests.support.running import ROOT

FILES = [str(file.relative_to(ROOT)) for file in sorted((ROOT / "deploy").rglob("*.yml")) if "\nservices:" in file.read_text()]


@pytest.mark.parametrize("file", FILES)
def test_a_compose_file(file: str) -> None:
    """The schema has nothing against it, and what it names is declared or lies in the checkout."""
    assert faults(ROOT / file) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("    port: [80]", "$.services.a"),
        ("    ports: {80: 80}", "$.services.a.ports"),
        ("    restart: [always]", "$.services.a.restart"),
        ("    volumes: ['data:/data']", "a: data is not declared under volumes"),
        ("    volumes: ['./nothing:/data']", "a: ./nothing is not there"),
        ("    configs: [{source: b, target: /c}]", "a: b is not declared under configs"),
        ("    depends_on: [b]", "a: depends on b, which is no service"),
        ("    build: {context: nowhere}", "has no Dockerfile"),
        ("    env_file: b.env", "a: b.env is not there"),
        ("volumes: {b: {}}", "the volume b is used by nothing"),
        ("configs: {b: {file: c}}", "configs: b names c, which is not there"),
    ],
)
def test_a_fault_is_found(tmp_path: Path, line: str, fault: str) -> None:
    """Each kind of fault is named."""
    (tmp_path / "compose.yml").write_text(f"services:\n  a:\n    image: b\n{line}\n")
    found = faults(tmp_path / "compose.yml")
    assert any(fault in each for each in found), found


def test_all_are_looked_at() -> None:
    """The container's own is among them."""
    assert "deploy/container/compose.yml" in FILES
