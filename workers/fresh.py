"""A worker that was not forked: it loads its denoiser by itself. For systems and plugins with which a fork is not to be had.

python -m workers.fresh '{"parent": PID, "order": {...}, "options": {...}, "fds": [5 or 6 of them]}'
"""

import json
import os
import signal
import socket
import sys

from workers import registry
from workers.carrier import FDS, Order, refuse
from workers.parent import leave_with_parent
from workers.worker import serve

_NICE = 2


def main() -> None:
    what = json.loads(sys.argv[1])
    leave_with_parent(what["parent"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    order, fds = Order(**what["order"]), what["fds"]
    nursery = socket.socket(fileno=fds[FDS]) if len(fds) > FDS else None
    try:
        loaded = {order.denoiser: registry.load(order.denoiser)(what["options"])}
    except Exception as error:  # noqa: BLE001  whatever a plugin raises is told in words
        refuse(fds[FDS - 1], getattr(error, "reason", "load"), str(error))
        return
    serve(order, loaded, fds[:FDS], nursery)


if __name__ == "__main__":
    main()
