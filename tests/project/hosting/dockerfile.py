"""Reads a Dockerfile and takes its steps in roots of debootstrap, where no container engine is.

It knows the instructions that ours use and refuses all others, so that none is passed over.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.debian_root import DebianRoot, base, running

IMAGE = "debian:bookworm-slim"  # what debootstrap's smallest variant stands for
SAID_TO_PEOPLE = ("EXPOSE", "VOLUME")


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, its words) in order; comments are dropped, continued lines are joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(words[0].upper(), words[1].strip()) for line in joined.splitlines() if line.strip() for words in [line.split(None, 1)]]


@dataclass
class Image:
    """What the steps of one stage have made so far."""

    root: DebianRoot
    user: str = "root"
    folder: str = "/"
    variables: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    start: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)

    def command(self, words: list[str]) -> list[str]:
        """The words as its user, with no right that a process can do without, in its folder."""
        bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", *words]
        return self.root.command(bare, user=self.user, cwd=self.folder)


class Build:
    """Takes the steps of a Dockerfile, one root for each stage; they run until the stack is closed."""

    def __init__(self, context: Path, folder: Path, stack: ExitStack, arguments: Mapping[str, str]) -> None:
        """context: what COPY sees; its .dockerignore counts. arguments: as of `docker build --build-arg`."""
        self._context, self._folder, self._stack, self._arguments = context, folder, stack, arguments
        self._stages: dict[str, Image] = {}

    def image(self, file: Path) -> Image:
        """The last stage."""
        image = None
        for name, words in instructions(file.read_text()):
            if name == "FROM":
                image = self._begin(words)
            else:
                assert image is not None, "FROM comes first"
                self._take(image, name, words)
        assert image is not None
        return image

    def _begin(self, words: str) -> Image:
        found = re.fullmatch(rf"{re.escape(IMAGE)}(?: AS (\w+))?", words)
        assert found, f"FROM {words}: only {IMAGE} can be made here"
        number = len(self._stages)
        image = Image(self._stack.enter_context(running(base(), self._folder / f"stage{number}")))
        self._stages[found[1] or str(number)] = image
        return image

    def _take(self, image: Image, name: str, words: str) -> None:
        match name:
            case "RUN":
                variables = image.arguments | image.variables
                shell = ["sh", "-c", words]
                image.root.run(shell, user=image.user, cwd=image.folder, more=variables, outside=True, timeout_s=1800)
            case "COPY":
                self._copy(image, shlex.split(words))
            case "ARG":
                key, _, default = shlex.split(words)[0].partition("=")
                image.arguments[key] = self._arguments.get(key, default)
            case "ENV":
                image.variables |= dict(pair.split("=", 1) for pair in shlex.split(words))
            case "WORKDIR":
                image.folder = words
                image.root.inside(words).mkdir(parents=True, exist_ok=True)
            case "USER":
                image.user = words
            case "ENTRYPOINT" | "CMD":
                image.start += json.loads(words)
            case "HEALTHCHECK":
                image.health = json.loads(words[words.index("CMD ") + 4 :])
            case _:
                assert name in SAID_TO_PEOPLE, f"{name} is not known here"
                image.said.append((name, words))

    def _copy(self, image: Image, words: list[str]) -> None:
        source = [word.removeprefix("--from=") for word in words if word.startswith("--from=")]
        what, to = [word for word in words if not word.startswith("--")]
        target = image.root.inside(str(Path(image.folder, to)))
        if source:
            subprocess.run(["cp", "-a", f"{self._stages[source[0]].root.inside(what)}/.", _made(target)], check=True, timeout=600)
            return
        assert what == ".", f"COPY {what}: only the whole context can be copied here"
        for file in context(self._context):
            _made((target / file).parent)
            shutil.copy2(self._context / file, target / file)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def context(root: Path) -> Iterator[Path]:
    """The files of a build context, relative to it: all but those that its .dockerignore leaves out."""
    rules = [line.strip() for line in (root / ".dockerignore").read_text().splitlines() if line.strip() and not line.startswith("#")]
    within = tuple(rule[1:] for rule in rules if rule.startswith("!"))
    pending = [root]
    while pending:
        for place in sorted(pending.pop().iterdir()):
            path = place.relative_to(root)
            left_out = is_left_out(path, rules)
            if place.is_dir() and not place.is_symlink() and (not left_out or any(w.startswith(f"{path}/") for w in within)):
                pending.append(place)
            elif not place.is_dir() and not left_out:
                yield path


def is_left_out(path: Path, rules: list[str]) -> bool:
    """Whether the last rule that matches the path or a folder above it leaves it out."""
    left_out = False
    for rule in rules:
        pattern = re.escape(rule.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if re.fullmatch(rf"{pattern}(?:/.*)?", str(path)):
            left_out = not rule.startswith("!")
    return left_out
