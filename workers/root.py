"""The checkout that this code runs from, and how one of its modules is started as a process.

Light, because the forkserver imports it: no asyncio, no subprocess.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]  # the folder that holds sfu, workers, web and db


def module_command(module: str, *arguments: object, python: str | Path = sys.executable) -> list[str]:
    """The command line of one of our modules. -P: the working folder is not searched for modules, PYTHONPATH is."""
    return [str(python), "-P", "-m", module, *map(str, arguments)]


def module_environment(**changes: str) -> dict[str, str]:
    """This process's environment with these changes, in which `module_command` finds our modules."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, **changes, "PYTHONPATH": path}
