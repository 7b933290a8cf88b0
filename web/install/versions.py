"""Which version of the program runs: the checkout itself, or one that `run.py upgrade` has put into its folder .versions.

.versions/current is a link to the one that runs. Python 3.8 must be able to run this, and every start asks it.
"""

from __future__ import annotations

import os
import sys
from typing import Sequence

from web.install.messages import Failed
from web.install.stamps import ROOT

BASE = ROOT.parents[1] if ROOT.parent.name == ".versions" else ROOT  # the checkout: its settings hold for every version
VERSIONS = BASE / ".versions"
CURRENT = VERSIONS / "current"


def hand_over(config: Sequence[str], arguments: Sequence[str]) -> None:
    """In the checkout: exec the run.py of the version that runs, with the checkout's settings. Returns where it is this one.

    Raises Failed where `current` leads nowhere.
    """
    if ROOT != BASE or not CURRENT.is_symlink() or CURRENT.resolve() == ROOT:
        return
    script = CURRENT.resolve() / "run.py"
    if not script.is_file():
        raise Failed(f"{CURRENT} leads nowhere; remove it, and the checkout itself runs")
    sys.stdout.flush()
    settings = list(config) or ["--config", str(BASE / "config.toml")]
    os.execv(sys.executable, [sys.executable, str(script), *settings, *arguments])
