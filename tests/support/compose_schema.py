"""What is wrong with a compose file: by the compose specification's own schema, and by what the schema cannot see."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.conftest import missing_program
from web.install.tools import WHEELS_FOLDER

# The wheel check-jsonschema carries the schema as its makers publish it.
SCHEMA = WHEELS_FOLDER / "check_jsonschema" / "builtin_schemas" / "vendor" / "compose-spec.json"
NAMED = ("volumes", "networks", "configs", "secrets")  # what a service uses by name is declared under the same word at the top


def faults(file: Path) -> list[str]:
    """One line for each fault of a compose file; [] where there is none. Skips the test where the schema is not there, in CI fails it."""
    if not SCHEMA.is_file():
        missing_program("the compose specification's schema")
    document = yaml.safe_load(file.read_text())
    by_schema = Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(document)
    found = [f"{error.json_path}: {error.message}" for error in by_schema]
    return found or [*_undeclared(document), *_missing_files(document, file.parent)]


def _services(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from (document.get("services") or {}).items()


def _undeclared(document: Mapping[str, Any]) -> Iterator[str]:
    """Volumes, networks, configs, secrets and services that a service names and nothing declares; volumes that nothing uses."""
    used: set[str] = set()
    for service, wanted in _services(document):
        for other in wanted.get("depends_on", ()):
            if other not in document["services"]:
                yield f"{service}: depends on {other}, which is no service"
        for kind in NAMED:
            for name in map(_source, wanted.get(kind) or ()):
                if name and not name.startswith((".", "/", "~", "$")):
                    used.add(name)
                    if name not in (document.get(kind) or {}) and name != "default":
                        yield f"{service}: {name} is not declared under {kind}"
    yield from (f"the volume {name} is used by nothing" for name in (document.get("volumes") or {}) if name not in used)


def _source(entry: Any) -> str:
    """What an entry of a service's list names, in its short or its long form; a mapping's keys are names already."""
    if isinstance(entry, Mapping):
        return "" if entry.get("type", "volume") != "volume" else str(entry.get("source", ""))
    return str(entry).split(":")[0]


def _missing_files(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Files of the checkout that the compose file names and that are not there. Paths are relative to its folder."""
    for service, wanted in _services(document):
        build = wanted.get("build")
        if build:
            build = {"context": build} if isinstance(build, str) else build
            context = folder / build.get("context", ".")
            if not (context / build.get("dockerfile", "Dockerfile")).is_file():
                yield f"{service}: {build} has no Dockerfile"
        for mount in wanted.get("volumes", ()):
            source = mount.get("source", "") if isinstance(mount, Mapping) else str(mount).split(":")[0]
            if source.startswith(".") and not (folder / source).exists():
                yield f"{service}: {source} is not there"
        listed = wanted.get("env_file", [])
        for entry in [listed] if isinstance(listed, str) else listed:
            path, required = (entry["path"], entry.get("required", True)) if isinstance(entry, Mapping) else (entry, True)
            if required and not (folder / path).is_file():
                yield f"{service}: {path} is not there"
    for kind in ("configs", "secrets"):
        for name, wanted in (document.get(kind) or {}).items():
            if wanted and "file" in wanted and "$" not in wanted["file"] and not (folder / wanted["file"]).exists():
                yield f"{kind}: {name} names {wanted['file']}, which is not there"
