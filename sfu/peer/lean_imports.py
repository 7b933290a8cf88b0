"""Imports single modules of a package without running its `__init__`: of aiortc the server needs DTLS only.

`import aiortc` loads PyAV with FFmpeg, an ICE agent with a DNS library, and SCTP: 20 MB and a quarter of a second.
"""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_top_level(package: str, stand_ins: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """Inside, modules of `package` can be imported; neither its `__init__` nor the modules of `stand_ins` are run.

    stand_ins: full name of a module -> its classes, which are empty ones. Afterwards `sys.modules` is as before, so that a later import
    of the package gets the whole of it. No effect where the package is loaded already. Raises ModuleNotFoundError.
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
