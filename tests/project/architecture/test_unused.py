"""Law 6: nothing public is there for tests alone: production code, an entry point or a library uses it."""

import ast
import configparser
import importlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from tests.project.architecture.tree import Module, Tree, ours, sample

# Names that no code of ours mentions, those of one module with its name, and who uses them.
USED_ELSEWHERE = {
    "STATEMENTS": "of each migration: db.migrations finds those modules by their numbers",
    "Voice": "the plug-in contract's older name of VoiceState",
    "erb_widths": "of a stand-in: upstream's own code calls it",
}


def unused(tree: Tree, exempt: Collection[str] = ()) -> list[str]:
    """Public functions, classes and constants that neither their module nor an importer uses, and methods whose name nobody mentions."""
    everywhere = {name for module in tree.modules.values() for name in _mentioned(module)}
    imported = {name for module in tree.modules.values() for name in _taken(module)} | _entry_points(tree.root)
    wrong = []
    for module in tree.modules.values():
        here = set(_mentioned(module))
        for line, name in _top_level(module):
            dotted = f"{module.name}.{name}"
            if name not in here and dotted not in imported and name not in exempt and dotted not in exempt:
                wrong.append(f"{tree.where(module, line)}: {name}")
        for line, name in _methods(module):
            if name not in everywhere and name not in exempt:
                wrong.append(f"{tree.where(module, line)}: {name}")
    return wrong


def _top_level(module: Module) -> Iterator[tuple[int, str]]:
    """(line, name) of what a module has for others."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from [(node.lineno, node.name)] if not node.name.startswith("_") else []
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
            yield from ((node.lineno, each.id) for each in names if not each.id.startswith("_"))


def _taken(module: Module) -> Iterator[str]:
    """Dotted names that a module imports, reads of a module that it has imported, or has as a string."""
    aliases = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
            aliases |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            aliases |= {name.asname or name.name: name.name for name in node.names}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            start, _, rest = ast.unparse(node.value).partition(".")
            yield ".".join(part for part in (aliases.get(start, start), rest, node.attr) if part)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.:]+", node.value):
            yield node.value.replace(":", ".")


def _methods(module: Module) -> Iterator[tuple[int, str]]:
    """(line, name) of the public methods of public classes, but for those that a library calls."""
    for node in module.tree.body:
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            public = isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and not method.name.startswith("_")
            if public and not _inherited(module, node, method.name):
                yield method.lineno, method.name


def _inherited(module: Module, node: ast.ClassDef, name: str) -> bool:
    """Whether the method is one of a library's base class, which calls it."""
    return any(hasattr(_library_class(module, base), name) for base in node.bases)


def _library_class(module: Module, base: ast.expr) -> object:
    spoken = ast.unparse(base).split("[")[0]
    for each in ast.walk(module.tree):
        if isinstance(each, ast.Import | ast.ImportFrom):
            for name in each.names:
                dotted = f"{each.module}.{name.name}" if isinstance(each, ast.ImportFrom) else name.name
                alias = name.asname or name.name
                if spoken == alias or spoken.startswith(f"{alias}."):
                    return _found(dotted + spoken.removeprefix(alias))
    return None


def _found(dotted: str) -> object:
    where, _, name = dotted.rpartition(".")
    if where.split(".")[0] in ("sfu", "workers", "db", "web", ""):
        return None
    try:
        return getattr(importlib.import_module(where), name, None)
    except ImportError:  # torch is not in every environment
        return None


def _mentioned(module: Module) -> Iterator[str]:
    """Names that are read."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+", node.value):
            yield node.value.rpartition(".")[2]  # getattr(x, "name"), "module.Class"


def _entry_points(root: Path) -> set[str]:
    settings = configparser.ConfigParser()
    settings.read(root / "setup.cfg")
    text = "\n".join(value for _, value in settings.items("options.entry_points")) if settings.has_section("options.entry_points") else ""
    return {place.replace(":", ".") for place in re.findall(r"= *([\w.:]+)", text)}


def test_nothing_public_is_unused() -> None:
    """What only a test uses, or nobody, is not there."""
    assert not unused(ours(), USED_ELSEWHERE)


def test_the_exceptions_are_needed() -> None:
    """Each exception excuses something."""
    assert {line.rpartition(" ")[2] for line in unused(ours())} >= {name.rpartition(".")[2] for name in USED_ELSEWHERE}


def test_this_law_can_fail(tmp_path: Path) -> None:
    """An unused function, method, class or constant is seen, one named like a used method too; a library's method is not."""
    tree = sample(
        tmp_path,
        {
            "setup.cfg": "[options.entry_points]\nplug.ins =\n    a = workers.plugins.a:Plugin\n",
            "workers/plugins/a.py": "class Plugin:\n    def gone(self): ...\n    def read(self): ...\n",
            "workers/plugins/b.py": "def read(): ...\n",
            "sfu/x.py": "import asyncio\n\nLIMIT = 1\nUSED = 2\n\n\n"
            "class P(asyncio.Protocol):\n    def data_received(self, data): ...\n\n\n"
            "def f(p):\n    p.read(USED)\n",
        },
    )
    plugins = ["workers/plugins/a.py:2: gone", "workers/plugins/b.py:1: read"]
    assert unused(tree) == ["sfu/x.py:3: LIMIT", "sfu/x.py:7: P", "sfu/x.py:11: f", *plugins]
