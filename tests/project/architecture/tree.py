"""The code as its laws see it: modules, rooms, imports and names, read from the syntax trees of a folder."""

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from tests.support.running import ROOT

TOPS = ("sfu", "workers", "db", "web")
FLAT = ("db",)  # tops whose own modules form one room; elsewhere each root-level module is a room of its own


@dataclass(frozen=True)
class Module:
    """One Python file. name: dotted, a package's is its folder's."""

    name: str
    file: Path

    @cached_property
    def text(self) -> str:
        return self.file.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def is_package(self) -> bool:
        return self.file.name == "__init__.py"

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[2]

    @cached_property
    def room(self) -> str:
        """Its folder; a root-level module is a room of its own."""
        parent, _, _ = self.name.rpartition(".")
        alone = self.is_package or ("." not in parent and parent not in FLAT)
        return self.name if alone else parent

    def comments(self) -> Iterator[tuple[int, str]]:
        """(line, text) of every comment and every docstring."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                said = ast.get_docstring(node)
                if said:
                    yield getattr(node, "lineno", 1), said


class Tree:
    """The production code below `root`: sfu, workers, db, web and run.py."""

    def __init__(self, root: Path) -> None:
        self.root = root
        files = [file for top in TOPS for file in sorted((root / top).rglob("*.py"))]
        files += [file for file in [root / "run.py"] if file.exists()]
        self.modules: Mapping[str, Module] = {module.name: module for module in map(self._module, files)}

    def _module(self, file: Path) -> Module:
        parts = file.relative_to(self.root).with_suffix("").parts
        return Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), file)

    @property
    def rooms(self) -> set[str]:
        return {module.room for module in self.modules.values()}

    def of_room(self, room: str) -> list[Module]:
        """The modules of a room, its package itself left out."""
        return [module for module in self.modules.values() if module.room == room and not module.is_package]

    def where(self, module: Module, line: int | None = None) -> str:
        return f"{module.file.relative_to(self.root)}" + (f":{line}" if line else "")

    @cached_property
    def imports(self) -> Mapping[str, frozenset[str]]:
        """Module -> our modules that it imports, anywhere in it, type checking included."""
        return {
            module.name: frozenset(ours for name in imported(module) for ours in [self._ours(name)] if ours and ours != module.name)
            for module in self.modules.values()
        }

    def _ours(self, name: str) -> str | None:
        """The longest beginning of a dotted name that is a module of this tree."""
        while name and name not in self.modules:
            name = name.rpartition(".")[0]
        return name or None


def imported(module: Module) -> set[str]:
    """Every dotted name that a module imports: `from a import b` is a.b, whether b is a module or not."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.file}: relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def cycles(graph: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """The groups of nodes that reach each other, each sorted."""
    reach = {node: _reached(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reach[node] if node in reach.get(other, ()))) for node in graph if node in reach[node]}
    return [list(group) for group in sorted(groups)]


def _reached(graph: Mapping[str, frozenset[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph.get(node, ())
    return seen


@lru_cache(maxsize=1)
def ours() -> Tree:
    """The tree of this repository."""
    return Tree(ROOT)


def sample(root: Path, files: Mapping[str, str]) -> Tree:
    """A tree with these files, path -> text; folders get an empty `__init__.py` where none is given."""
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for file in list(root.rglob("*.py")):
        for folder in file.parents:
            if folder.is_relative_to(root) and folder != root and not (folder / "__init__.py").exists():
                (folder / "__init__.py").write_text("")
    return Tree(root)
