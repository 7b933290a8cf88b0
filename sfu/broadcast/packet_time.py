"""How much sound a broadcaster is asked to put into a packet as the room fills and empties. No I/O and no clock of its own.

The answer has asked for brief packets or for nothing, by what was free then. From there on: usual ones as soon as it is
crowded; brief ones (again) only after a long time in which there would have been room for everybody's.
"""

from sfu.denoise.capacity import Capacity
from sfu.wire.answer import BRIEF_MS

USUAL_MS = 20
PATIENCE_S = 60.0  # of room before brief packets are asked for; twice as long after each time that they had to be given up
MOST_PATIENCE_S = 3600.0
AGAIN_S, MOST_TIMES = 10.0, 3  # what is not followed is said again; not every sender can
_SAMPLES_PER_MS = 48


class PacketTime:
    """One broadcast's. `look` says what is to be told."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._patience_s = PATIENCE_S
        self._room_since_s: float | None = None
        self._said: int | None = None  # to this source
        self._said_s = 0.0
        self._times = 0

    def begin(self) -> None:
        """Another source, with an answer of its own."""
        self._said = None

    def look(self, now_s: float, samples: int) -> int | None:
        """How long the packets shall be, in ms, where the broadcaster has to be told now. samples: of its newest packet, 0: none yet."""
        wish = self._wish(now_s, samples)
        if wish is None and self._said == USUAL_MS and not self._capacity.crowded:
            self._times = 0  # the next crowd is another one
        if wish is None or (wish == self._said and (self._times == MOST_TIMES or now_s - self._said_s < AGAIN_S)):
            return None
        if wish != self._said:
            self._times = 0
            if wish == USUAL_MS and self._said == BRIEF_MS:
                self._patience_s = min(2 * self._patience_s, MOST_PATIENCE_S)
        self._said, self._said_s = wish, now_s
        self._times += 1
        return wish

    def _wish(self, now_s: float, samples: int) -> int | None:
        """None: it may stay as it is."""
        usual = USUAL_MS * _SAMPLES_PER_MS
        if not self._capacity.spacious:
            self._room_since_s = None
            return USUAL_MS if 0 < samples < usual and self._capacity.crowded else None
        if self._room_since_s is None:
            self._room_since_s = now_s
        return BRIEF_MS if samples == usual and now_s - self._room_since_s >= self._patience_s else None
