"""Reads config.toml and the environment, checks each value and returns the frozen tree of `sfu.config.schema`.

Every fault raises ConfigError with one line: where it is, what is wrong, and what would be right.
"""

import logging
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from sfu.config.checks import CHECKS, check_together
from sfu.config.errors import ConfigError
from sfu.config.older_settings import told
from sfu.config.schema import Config

logger = logging.getLogger(__name__)

PREFIX = "HUSHCAST_"
NOT_SETTINGS = (f"{PREFIX}TEST_", f"{PREFIX}BENCH_")  # read by the tests and the benchmarks

# The type of a value, in the operator's words.
EXPECTED = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
    Path | None: "a path",
    tuple[str, ...]: "a list of strings",
    tuple[Path, ...]: "a list of paths",
}


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read `file` and the environment, which wins. Reads the disk, so call it before the loop runs. Raises ConfigError."""
    tree = _read(file)
    kinds = get_type_hints(Config)
    _refuse_unknown(file.name, "section ", tree, kinds)
    _warn_of_unknown(environment, [f"{PREFIX}{name.upper()}_" for name in kinds])
    for line in told(environment):
        logger.warning("%s", line)
    sections: dict[str, Any] = {name: _section(file, name, kind, tree.get(name, {}), environment) for name, kind in kinds.items()}
    config = Config(**sections)
    check_together(config)
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error


def _section(file: Path, name: str, kind: type, given: object, environment: Mapping[str, str]) -> object:
    """One branch of the tree. The environment wins over the file, the file over the defaults."""
    if not isinstance(given, dict):
        raise ConfigError(f"{file.name}: {name} has to be a section, [{name}]")
    hints = get_type_hints(kind)
    _refuse_unknown(file.name, f"key {name}.", given, hints)
    prefix = f"{PREFIX}{name.upper()}_"
    texts = {variable: text for variable, text in environment.items() if variable.startswith(prefix)}
    _refuse_unknown("environment", "variable ", texts, [prefix + key.upper() for key in hints])
    values = {}
    for key, hint in hints.items():
        variable = prefix + key.upper()
        try:
            if variable in texts:
                value = _from_text(hint, texts[variable])
            else:
                value = _from_toml(hint, given[key]) if key in given else getattr(kind, key)
            values[key] = _absolute(value, file.parent)
            if check := CHECKS.get((name, key)):
                check(values[key])
        except ValueError as error:
            raise ConfigError(f"{variable if variable in texts else f'{file.name}: {name}.{key}'}: {error}") from error
    return kind(**values)


def _warn_of_unknown(environment: Iterable[str], prefixes: Sequence[str]) -> None:
    """Log variables that belong to no section. They are not refused, because orchestrators set some of their own (HUSHCAST_PORT)."""
    unknown = [name for name in environment if name.startswith(PREFIX) and not name.startswith((*prefixes, *NOT_SETTINGS))]
    if unknown:
        logger.warning("no settings, so ignored: %s", ", ".join(sorted(unknown)))


def _refuse_unknown(where: str, what: str, given: Iterable[str], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}: unknown {what}{key}; known: {', '.join(known)}")


def _from_toml(hint: object, value: object) -> object:
    """A TOML value in the type of its field: an integer becomes a float, a single string a list of one. Raises ValueError."""
    if hint in (tuple[str, ...], tuple[Path, ...]):
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) for item in items):
            return tuple(map(Path, items)) if hint == tuple[Path, ...] else tuple(items)
    elif hint == Path | None and isinstance(value, str):
        return Path(value) if value else None
    elif hint is Path and isinstance(value, str):
        return Path(value)
    elif hint is float and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    elif type(value) is hint:
        return value
    raise ValueError(f"{value!r} is not {EXPECTED[hint]}")  # type: ignore[index]


def _from_text(hint: object, text: str) -> object:
    """The same for the text of an environment variable; lists are separated by commas."""
    if hint in (tuple[str, ...], tuple[Path, ...]):
        return _from_toml(hint, [item.strip() for item in text.split(",") if item.strip()])
    if hint is bool and text in ("true", "false"):
        return text == "true"
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            pass
    return _from_toml(hint, text)


def _absolute(value: object, folder: Path) -> object:
    """Make paths absolute: they are relative to the folder of config.toml, not to the working directory."""
    if isinstance(value, Path):
        return folder.resolve() / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_absolute(item, folder) for item in value)
    return value
