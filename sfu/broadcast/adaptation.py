"""What encoders are asked as a broadcast goes on: to guard against so much loss, and to put so much sound into a packet."""

from collections.abc import Callable

from sfu.broadcast.expected_loss import ExpectedLoss
from sfu.broadcast.packet_time import PacketTime
from sfu.denoise.capacity import Capacity
from sfu.denoise.tuning import Tuning
from sfu.fanout.fanout import Fanout
from sfu.ingest.ingest import Ingest


class Adaptation:
    """One broadcast's. The broadcaster's encoder learns of loss by our receiver reports, the worker's by its settings."""

    def __init__(self, ingest: Ingest, fanout: Fanout, tuning: Tuning, capacity: Capacity, brevity: Callable[[int], None]) -> None:
        """brevity: told how long the broadcaster's packets shall be from now on, in ms."""
        self._ingest = ingest
        self._fanout = fanout
        self._tuning = tuning
        self._tell_brevity = brevity
        self._foreseen = ExpectedLoss()
        self._brevity = PacketTime(capacity)

    def begin(self) -> None:
        """Another source, with an answer of its own."""
        self._brevity.begin()

    def look_at_losses(self, now_ns: int) -> None:
        """What all listeners lost; they report about once a second."""
        self._ingest.listener_loss = self._fanout.worst_loss(denoised=False)
        if self._foreseen.hear(self._fanout.worst_loss(denoised=True), now_ns):
            self._tuning.foresee(self._foreseen.percent)

    def look_at_room(self, now_ns: int) -> None:
        """What the machine has left. Only while the broadcaster speaks."""
        packet_ms = self._brevity.look(now_ns / 1e9, self._ingest.samples)
        if packet_ms is not None:
            self._tell_brevity(packet_ms)
