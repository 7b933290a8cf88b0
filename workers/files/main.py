"""`python -m workers.files.main IN OUT`: a sound file through a denoiser, hop by hop as it would be live, in constant memory.

OUT has IN's length, timing, rate and, with --stereo, channels. It appears when it is complete; until then it is a hidden file in
the same folder. Exit status 0, or 1 and one line on stderr, or 130 after Ctrl-C. `run.py denoise` passes it the settings.
"""

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from workers import interrupt


def main(arguments: Sequence[str] | None = None) -> int:
    from workers.files import command  # a slow import

    return command.main(arguments)


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    interrupt.leave_at_once()
    for number in signal.SIGTERM, signal.SIGHUP:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _leave)  # so that the draft is deleted
    sys.exit(main())
