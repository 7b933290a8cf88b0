"""Which extra parts of .venv a start needs, by its settings. Python 3.8 must be able to run this, and it has no reader of TOML."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping, Sequence

from web.install.stamps import ROOT


def parts_asked_for(config: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Part names. config: `--config FILE` as it was written, or nothing. Settings that cannot be read ask for nothing: the server
    says what is wrong with them.
    """
    file = Path(config[-1].split("=", 1)[-1]) if config else ROOT / "config.toml"
    return ["acme"] if (environment.get("HUSHCAST_HTTP_TLS") or _written(file, "http", "tls")) == "acme" else []


def _written(file: Path, section: str, key: str) -> str:
    """The string that the file has for the key, where it stands on a line of its own in the section; "" where there is none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ""
    here = False
    for line in map(str.strip, lines):
        if line.startswith("["):
            here = line.split("#")[0].strip().strip("[]").strip() == section
        name, equals, value = line.partition("=")
        if here and equals and name.strip() == key:
            return value.split("#")[0].strip().strip("\"'")
    return ""
