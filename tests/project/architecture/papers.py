"""What papers speak of, looked up in the tree: `module.function`, settings, files."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property

from sfu.config.schema import Config
from tests.project.architecture.tree import Module, Tree

DOTTED = re.compile(r"(\w+/)?[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(\(\))?")
FILE = re.compile(r"[\w./-]*\w\.(py|js|mjs|md|toml|cfg|css|html|svg|png|txt)")
FOLDER = re.compile(r"(sfu|workers|db|web|docs|tests|deploy|examples)/[\w/-]*")
ELSEWHERE = {".git", ".venv", ".venv-torch", "models", "var"}
SPOKEN = re.compile(r"`([^`\n]+)`")


class Index:
    """Names of a tree: Python modules with what they define, the page's modules, settings and files."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    @cached_property
    def scripts(self) -> Mapping[str, str]:
        """Folder and stem of one of the page's modules, as "rtc/peer" -> its text. Stems alone may be those of the server's modules."""
        return {f"{file.parent.name}/{file.stem}": file.read_text() for file in sorted((self.tree.root / "web/client/js").glob("*/*.js"))}

    @cached_property
    def settings(self) -> set[str]:
        """ "broadcast.grace_s" and so on."""
        return {f"{part.name}.{each.name}" for part in fields(Config) for each in _fields(part.type)}

    @cached_property
    def files(self) -> set[str]:
        """Paths from the root, and bare names of files."""
        tops = [top for top in self.tree.root.iterdir() if top.name not in ELSEWHERE]
        paths = [file.relative_to(self.tree.root) for top in tops for file in [top, *top.rglob("*")]]
        return {str(path) for path in paths} | {path.name for path in paths}

    def resolves(self, dotted: str) -> bool:
        """Whether `room.module.function`, `module.Class.method`, `Class.method`, `folder/script.function` or `section.setting` is there."""
        parts = dotted.removesuffix("()").split(".")
        if ".".join(parts) in self.settings:
            return True
        return any(self._defines(module, parts[at:]) for at in range(1, len(parts) + 1) for module in self._named(parts[:at])) or (
            self._in_class(parts) or (parts[0] in self.scripts and _in_script(self.scripts[parts[0]], parts[1:]))
        )

    def _named(self, parts: list[str]) -> Iterator[Module]:
        """Modules, packages too, whose dotted name ends so."""
        end = ".".join(parts)
        yield from (module for name, module in self.tree.modules.items() if name == end or name.endswith(f".{end}"))

    def _defines(self, module: Module, parts: list[str]) -> bool:
        return not parts or _has(module.tree.body, parts)

    def _in_class(self, parts: list[str]) -> bool:
        """Whether it is Class.method of any module."""
        return len(parts) > 1 and any(
            isinstance(node, ast.ClassDef) and _has([node], parts) for module in self.tree.modules.values() for node in module.tree.body
        )


def _fields(kind: object) -> tuple[object, ...]:  # of dataclasses; a name where annotations are not evaluated
    return fields(kind) if is_dataclass(kind) else ()  # type: ignore[arg-type]


def _has(body: list[ast.stmt], parts: list[str]) -> bool:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == parts[0]:
            return len(parts) == 1 or (isinstance(node, ast.ClassDef) and (_has(node.body, parts[1:]) or _attribute(node, parts[1:])))
        if isinstance(node, ast.Assign | ast.AnnAssign) and len(parts) == 1:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(each, ast.Name) and each.id == parts[0] for target in targets for each in ast.walk(target)):
                return True
    return False


def _attribute(node: ast.ClassDef, parts: list[str]) -> bool:
    """self.x = ... of a class."""
    stores = (each for each in ast.walk(node) if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store))
    return len(parts) == 1 and any(each.attr == parts[0] for each in stores)


def _in_script(text: str, parts: list[str]) -> bool:
    """Whether the last name is a function, class, constant or method there."""
    name = re.escape(parts[-1])
    defined = rf"(function\*?|class|const|let) {name}\b"
    method = rf"^\s+(async |static |get )*#?{name}(\s*|: )\("
    return re.search(defined, text) is not None or re.search(method, text, re.MULTILINE) is not None


def dotted_names(text: str) -> Iterator[str]:
    """What stands in backticks and looks like module.function."""
    for spoken in SPOKEN.findall(text):
        if DOTTED.fullmatch(spoken) and not FILE.fullmatch(spoken):
            yield spoken


def paths(text: str) -> Iterator[str]:
    """What stands in backticks, or as a link's target, and looks like a file or folder of the repository."""
    for spoken in [*SPOKEN.findall(text), *re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]:
        if FILE.fullmatch(spoken) or FOLDER.fullmatch(spoken):
            yield spoken.rstrip("/")
