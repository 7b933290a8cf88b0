"""Law 4: one thing, one name: no public class and no file stem twice, and each room's docstring names every module in it."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

from tests.project.architecture.tree import Tree, ours, sample
from tests.support.running import ROOT

# Stems that may be there twice, and why.
TWICE = {
    "errors": "each room's own",
    "states": "each room's half of the states",
    "main": "what `python -m` runs",
    "checks": "of the settings, of a sound file's places",
    "catalogue": "of denoisers: as configured (sfu), as shown (web)",
    "device": "of a file's denoiser, of the server's",
    "features": "of DeepFilterNet: in torch, and in graphs",
    "writer": "of sound files, and of graphs",
    "shapes": "of tensors, and of requests and answers",
    "recordings": "a noun of db and web",
    "invites": "a noun of db and web",
    "preferences": "a noun of db and web",
    "tokens": "a noun of db and web",
    "companions": "a noun of db and web",
    "revocation": "a noun of db and web",
    "trash": "a noun of db, web and web.cli",
    "accounts": "a noun of web and web.cli",
}
UNNAMED = {"db.migrations"}  # its modules are found by their numbers, and it has code: it applies them
EMPTY = ("manager", "helper", "util", "common", "misc", "data", "info")


def classes_twice(tree: Tree) -> list[str]:
    """Public classes of one name in several modules."""
    places = defaultdict(list)
    for module in tree.modules.values():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(tree.where(module, node.lineno))
    return [f"{name}: {', '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1]


def stems_twice(tree: Tree, allowed: Collection[str]) -> list[str]:
    """File stems that several modules have and the list does not."""
    stems = Counter(module.stem for module in tree.modules.values() if not module.is_package)
    return [f"{stem}: {count} files" for stem, count in sorted(stems.items()) if count > 1 and stem not in allowed]


def unnamed(tree: Tree, exempt: Collection[str] = ()) -> list[str]:
    """Packages whose docstring does not name each module in them, or that hold more than a docstring."""
    wrong = []
    for package in tree.modules.values():
        if not package.is_package or package.name in exempt:
            continue
        said = ast.get_docstring(package.tree) or ""
        for module in tree.modules.values():
            if not module.is_package and module.name.rpartition(".")[0] == package.name and not _says(said, module.stem):
                wrong.append(f"{tree.where(package)}: does not name {module.stem}")
        if len(package.tree.body) > bool(said):
            wrong.append(f"{tree.where(package)}: has code")
    return wrong


def _says(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", text) is not None


def empty_words(tree: Tree) -> list[str]:
    return [tree.where(module) for module in tree.modules.values() if any(module.stem.strip("s").endswith(word) for word in EMPTY)]


def test_no_class_name_twice() -> None:
    """A public class's name says which one is meant."""
    assert not classes_twice(ours())


def test_no_stem_twice() -> None:
    """A file's name says which one is meant; those of the list are the exceptions."""
    assert not stems_twice(ours(), TWICE)


def test_rooms_name_their_modules() -> None:
    """Each package is a docstring that names every module in it."""
    assert not unnamed(ours(), UNNAMED)


def test_no_name_says_nothing() -> None:
    """No module is called manager, helper, util, common, misc or data."""
    assert not empty_words(ours())


def test_every_test_folder_is_a_package() -> None:
    """Else tests/sfu would shadow sfu."""
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


def test_these_laws_can_fail(tmp_path: Path) -> None:
    """A class twice, a stem twice, a module that its room does not name, code in a room's `__init__` and an empty word are seen."""
    tree = sample(
        tmp_path,
        {
            "sfu/net/__init__.py": '"""tcp_port: no more."""\nX = 1\n',
            "sfu/net/tcp.py": "class A: ...\n",
            "sfu/peer/__init__.py": '"""`tcp` and helper."""\n',
            "sfu/peer/tcp.py": "class A: ...\n",
            "sfu/peer/helper.py": "class _B: ...\n",
        },
    )
    assert classes_twice(tree) == ["A: sfu/net/tcp.py:1, sfu/peer/tcp.py:1"]
    assert stems_twice(tree, ()) == ["tcp: 2 files"]
    assert not stems_twice(tree, {"tcp"})
    assert unnamed(tree) == ["sfu/net/__init__.py: does not name tcp", "sfu/net/__init__.py: has code"]
    assert empty_words(tree) == ["sfu/peer/helper.py"]
