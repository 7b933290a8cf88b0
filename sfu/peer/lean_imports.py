"""A module of a package whose own top level is not run: of aiortc the server needs DTLS, and has no use for what the rest brings along.

`import aiortc` loads PyAV with FFmpeg, an ICE agent with a DNS library, and SCTP: 20 MB and a quarter of a second.
"""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_top_level(package: str, stand_ins: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """What is imported inside comes from `package`, but neither its top level nor the modules of `stand_ins` are run.

    stand_ins: full name of a module -> classes that it has to have; each is an empty one. Afterwards `sys.modules` is as before, so
    whoever imports the package later gets the whole of it. Where it is there already, nothing is done. Raises ModuleNotFoundError.
    """
    if package in sys.modules:
        yield
        return
    found = importlib.util.find_spec(package)
    if found is None or found.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    shell = ModuleType(package)
    shell.__path__ = found.submodule_search_locations
    absent = {name: _with_classes(name, classes) for name, classes in stand_ins.items() if name not in sys.modules}
    sys.modules.update({package: shell, **absent})
    try:
        yield
    finally:
        for name in [each for each in sys.modules if each in absent or each == package or each.startswith(f"{package}.")]:
            del sys.modules[name]


def _with_classes(name: str, classes: tuple[str, ...]) -> ModuleType:
    module = ModuleType(name)
    for each in classes:
        setattr(module, each, type(each, (), {}))
    return module
