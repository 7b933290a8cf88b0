"""Law 3: the private names of libraries are used in one module each, and checked when it is imported."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from tests.project.architecture.tree import Module, Tree, ours, sample
from tests.support.running import ROOT

# Library -> the modules that may use its private names. sfu.peer.dtls: the handshake is aiortc's, its keys are ours.
PRIVATE: Mapping[str, tuple[str, ...]] = {
    "pylibsrtp": ("sfu.peer.srtp",),
    "aiortc": ("sfu.peer.dtls",),
    "OpenSSL": ("sfu.peer.dtls",),
    "aiohttp": ("web.connections",),
    "peewee": ("db.sqlite", "db.postgres", "db.columns", "db.copying"),  # one connection a thread; the tables' own registry
    "_sha1": ("sfu.wire.stun",),  # the interpreter's own SHA-1: half of what OpenSSL's takes for 100 bytes
}
DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "_exit"}  # of namedtuple and os: public for all their underscore


def used(module: Module) -> Iterator[tuple[int, str]]:
    """(line, name) of what a module uses of others' private names: imported, overridden, or an attribute that it does not define."""
    own = _defined(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names if _private(name.name))
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names if _private(f"{node.module}.{name.name}"))
        elif isinstance(node, ast.Attribute) and _private(node.attr) and node.attr not in own | DOCUMENTED:
            yield node.lineno, node.attr
        elif isinstance(node, ast.ClassDef):
            yield from _overridden(module, node)


def _private(dotted: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in dotted.split("."))


def _defined(module: Module) -> set[str]:
    names = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            names.add(node.attr)  # self._x = ...
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _overridden(module: Module, node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    """Private methods of a class that its base, of a library, has too."""
    for base in node.bases:
        library = _resolved(module, base)
        for method in node.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and _private(method.name) and hasattr(library, method.name):
                yield method.lineno, f"{ast.unparse(base)}.{method.name}"


def _resolved(module: Module, base: ast.expr) -> object:
    """The class of a library that a base names; None for our own, and for one that is not installed here."""
    for name, dotted in _aliases(module).items():
        spoken = ast.unparse(base)
        if spoken == name or spoken.startswith(f"{name}."):
            where, _, attribute = (dotted + spoken.removeprefix(name)).rpartition(".")
            if where.split(".")[0] not in ("sfu", "workers", "db", "web", ""):
                try:
                    return getattr(importlib.import_module(where), attribute, None)
                except ImportError:
                    return None
    return None


def _aliases(module: Module) -> dict[str, str]:
    found = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {name.asname or name.name: name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return found


def unlawful(tree: Tree, private: Mapping[str, Collection[str]]) -> list[str]:
    """Private names in a module that the list does not give any library's to."""
    inside = {module for modules in private.values() for module in modules}
    wrong = []
    for module in tree.modules.values():
        for line, name in used(module):
            library = name.split(".")[0]
            allowed = private.get(library, inside if library not in private else ())
            if module.name not in allowed and not _of_our_own(tree, name):
                wrong.append(f"{tree.where(module, line)}: {name}")
    return wrong


def _of_our_own(tree: Tree, name: str) -> bool:
    """Whether an attribute is private to another class of ours: ruff and readers judge that, not this law."""
    return "." not in name and any(name in _defined(module) for module in tree.modules.values())


def test_private_names_stay_where_they_are_known() -> None:
    """Only the modules of the list use private names of a library, and each of them is there."""
    assert not [name for names in PRIVATE.values() for name in names if name not in ours().modules]
    assert not unlawful(ours(), PRIVATE)


@pytest.mark.parametrize(
    ("library", "owner", "name", "module"),
    [
        ("pylibsrtp", "Session", "_srtp", "sfu.peer.srtp"),
        ("pylibsrtp._binding.lib", "", "srtp_protect", "sfu.peer.srtp"),
        ("aiortc.rtcdtlstransport", "RTCDtlsTransport", "_write_ssl", "sfu.peer.dtls"),
        ("aiortc.rtcdtlstransport", "RTCCertificate", "_create_ssl_context", "sfu.peer.dtls"),
        ("aiohttp.web", "RequestHandler", "_handle_request", "web.connections"),
    ],
)
def test_a_renamed_one_ends_the_start(library: str, owner: str, name: str, module: str) -> None:
    """Importing the module that uses a private name raises ConfigError, with the name in its line, where the library lacks it."""
    if module not in ours().modules:
        pytest.fail(f"there is no {module}")
    said = subprocess.run([sys.executable, "-c", RENAMED, library, owner, name, module], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 2, said.stdout + said.stderr
    assert name in said.stdout


# argv: library, class in it or "", its private name, the module of ours. Exit 2: ConfigError, its text on stdout.
RENAMED = """
import importlib, sys
library, owner, name, module = sys.argv[1:]
from sfu.config.errors import ConfigError
def without(real):
    class Without:
        def __getattr__(self, asked):
            if asked == name: raise AttributeError(asked)
            return getattr(real, asked)
    return Without()
def renamed(real):
    class Renamed(real):
        def __getattribute__(self, asked):
            if asked == name: raise AttributeError(asked)
            return super().__getattribute__(asked)
    return Renamed
importlib.import_module(library.split(".")[0])  # the whole of it, which the module of ours then finds loaded
where, attribute = (library, owner) if owner else library.rsplit(".", 1)
place = importlib.import_module(where)
real = getattr(place, attribute)
if not owner:
    setattr(place, attribute, without(real))
elif name in vars(real):
    delattr(real, name)
else:
    setattr(place, attribute, renamed(real))
try:
    importlib.import_module(module)
except ConfigError as error:
    print(error)
    sys.exit(2)
"""


def test_these_laws_can_fail(tmp_path: Path) -> None:
    """A private import, attribute and override outside the list are seen; what a module defines itself is its own affair."""
    tree = sample(
        tmp_path,
        {
            "sfu/peer/other.py": "from pylibsrtp._binding import lib\n\n\nclass A:\n    _own = 1\n\n\nA()._own\n",
            "web/doors.py": "from aiohttp import web\n\n\nclass B(web.RequestHandler):\n    def _handle_request(self): ...\n\n\n"
            "B()._request_count\n",
        },
    )
    assert unlawful(tree, {"pylibsrtp": ()}) == [
        "sfu/peer/other.py:1: pylibsrtp._binding.lib",
        "web/doors.py:5: web.RequestHandler._handle_request",
        "web/doors.py:8: _request_count",
    ]
