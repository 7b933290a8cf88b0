"""config.toml and the environment, read once at start and checked, become the frozen tree of `sfu.config.schema`.

Everything wrong raises `ConfigError` with one line that says where, what, and what would be right.
"""

import logging
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from sfu.config.checks import CHECKS, check_together
from sfu.config.schema import Config
from sfu.errors import ConfigError

logger = logging.getLogger(__name__)

PREFIX = "HUSHCAST_"
NO_SETTINGS = (f"{PREFIX}TEST_", f"{PREFIX}BENCH_")  # what the tests and the bench ask of the environment

# What a value has to be, in the operator's words.
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
    """Read `file` and the environment, which wins. Blocks on the disk: for the time before the loop turns. Raises ConfigError."""
    tree = _read(file)
    kinds = get_type_hints(Config)
    _refuse_unknown(file.name, "section ", tree, kinds)
    _name_strangers(environment, [f"{PREFIX}{name.upper()}_" for name in kinds])
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
    """One branch of the tree: defaults, then the file, then the environment."""
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
                value = _typed(hint, given[key]) if key in given else getattr(kind, key)
            values[key] = _from_here(value, file.parent)
            if check := CHECKS.get((name, key)):
                check(values[key])
        except ValueError as error:
            raise ConfigError(f"{variable if variable in texts else f'{file.name}: {name}.{key}'}: {error}") from error
    return kind(**values)


def _name_strangers(environment: Iterable[str], prefixes: Sequence[str]) -> None:
    """A variable that is of no section does not hold. It is said, not refused: orchestrators set such of their own (HUSHCAST_PORT)."""
    strangers = [name for name in environment if name.startswith(PREFIX) and not name.startswith((*prefixes, *NO_SETTINGS))]
    if strangers:
        logger.warning("no settings, so ignored: %s", ", ".join(sorted(strangers)))


def _refuse_unknown(where: str, what: str, given: Iterable[str], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}: unknown {what}{key}; known: {', '.join(known)}")


def _typed(hint: object, value: object) -> object:
    """A TOML value as the dataclass wants it: a number for a float, a string for a list of one."""
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
    """The same from an environment variable's text."""
    if hint in (tuple[str, ...], tuple[Path, ...]):
        return _typed(hint, [item.strip() for item in text.split(",") if item.strip()])
    if hint is bool and text in ("true", "false"):
        return text == "true"
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            pass
    return _typed(hint, text)


def _from_here(value: object, folder: Path) -> object:
    """Paths are relative to the folder of config.toml, whatever the working directory is."""
    if isinstance(value, Path):
        return folder.resolve() / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_from_here(item, folder) for item in value)
    return value
