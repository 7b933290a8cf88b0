"""A worker that was executed and loads its denoiser itself: for systems and plug-ins with which a fork is impossible.

python -m workers.forkserver.standalone '{"parent": PID, "denoiser": NAME, "options": {...}, "forkserver": FD}'

It has no voice while it loads. It then reports LOADED or a failure to the forkserver, and gets the voices that wait for it.
"""

import json
import os
import signal
import socket
import sys

from workers import registry
from workers.denoiser import Denoiser
from workers.link.control import WorkerFailure, dump
from workers.pdeathsig import leave_with_parent
from workers.voice.process import LOADED, Process, warm

_NICE = 2
_MOST_WORDS = 1000  # of a plug-in's exception


def main() -> None:
    what = json.loads(sys.argv[1])
    leave_with_parent(what["parent"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    forkserver = socket.socket(fileno=what["forkserver"])
    forkserver.set_inheritable(False)
    try:
        denoiser = _loaded(what["denoiser"], what["options"])
    except Exception as error:  # noqa: BLE001  whatever a plug-in raises is reported
        forkserver.send(dump(WorkerFailure(getattr(error, "reason", "load"), str(error)[:_MOST_WORDS])))
        return
    forkserver.send(LOADED)
    Process({what["denoiser"]: denoiser}, forkserver).run()


def _loaded(name: str, options: dict[str, object]) -> Denoiser:
    denoiser = registry.load(name)(options)
    warm(denoiser)
    return denoiser


if __name__ == "__main__":
    main()
