"""`python -m workers.files.main IN OUT`: a sound file through a denoiser, hop by hop as it would be live, in constant memory.

OUT has IN's length, place in time, rate and, with --stereo, channels. It appears when it is complete; until then it is a
hidden file beside its place. Exit 0, or 1 and one line on stderr, or 130 after Ctrl-C. `run.py denoise` gives it the settings.
"""

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from workers import interrupt


def main(arguments: Sequence[str] | None = None) -> int:
    from workers.files import command  # which takes its time

    return command.main(arguments)


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    interrupt.leave_at_once()
    for number in signal.SIGTERM, signal.SIGHUP:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _leave)  # so that the draft is taken away
    sys.exit(main())
