"""A broadcaster's packets, put in order and on the broadcast's one time line."""

import time
from collections.abc import Callable, Sequence
from math import nan
from typing import NamedTuple

from sfu.deadline_timer import CallAt, DeadlineTimer
from sfu.ingest.mute import Mute, silent_packet
from sfu.ingest.reception_stats import ReceptionStats
from sfu.ingest.reorder_buffer import Ordered, ReorderBuffer
from sfu.ingest.timeline import RATE_HZ, Timeline, samples_between
from sfu.rolling_quantiles import RollingQuantiles
from sfu.standstill import Awake
from sfu.wire import red, rtcp
from sfu.wire.rtp import RtpPacket, opus_samples, timestamp_step
from sfu.wire.sdp import Audio
from workers.link.ring import MAX_PAYLOAD, Flag, Packet

REPORT_NS = 1_000_000_000
RETIRED_NS = 2_000_000_000  # so long an SSRC that was replaced stays out; two that alternate change places no more often
PACE, BURST_NS = 2, 10_000_000_000  # sound may come twice as fast as time passes, after a stall 10 s at once; beyond, it is dropped
STALE_SAMPLES = 9600  # 200 ms: what has waited for longer would be heard that much too late by all, for good
RED_REACH = 2  # earlier packets that are looked for in a RED packet
REASONS = ("not_agreed", "replaced_source", "no_opus", "too_much", "covered", "stale", "duplicate", "late")  # why a packet goes nowhere
SILENCE_DBFS = -127.0  # the level of a muted packet, in RFC 6464's scale: what the client measured would tell that somebody speaks
OWN_SSRC = 1  # who our reports are from; we send no media to a broadcaster


class _Piece(NamedTuple):
    """One Opus payload on its way through the order; samples 0: a number without sound, not even a hole; muted: came so."""

    timestamp: int
    arrival_ns: int
    samples: int
    payload: bytes
    level_dbfs: float
    muted: bool


class Ingest:
    """One broadcaster's packets in order, on the broadcast's time line. Owns the timer of its gaps; `close` ends it.

    Numbers and time go on over every change of peer, SSRC, payload type and clock. Counters: `received` packets, `recovered`
    out of RED; dropped ones by reason, see `losses`; `lost`, `late`, `duplicates` as in Order.
    """

    def __init__(
        self,
        reorder_ms: int,
        deliver: Callable[[Packet], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
        call_at: CallAt | None = None,
        awake: Awake | None = None,
    ) -> None:
        self.received = 0
        self.not_agreed = 0  # of another payload type, the video that we refused say
        self.replaced = 0  # of an SSRC that another one has taken over from
        self.no_opus = 0  # nor RED; or too large
        self.too_much = 0
        self.covered = 0  # sound of a time that a packet before, which was rubbish, claimed for itself
        self.stale = 0  # sound that waited while this process stood still
        self.recovered = 0
        self.asked = 0  # sequences asked for again
        self.listener_loss = 0.0  # the worst listener's, in [0, 1]; reported to the broadcaster if it is more than its own
        self.stage_ms = RollingQuantiles()  # datagram in -> delivered
        self._deliver = deliver
        self._clock_ns = clock_ns
        self._alarm = DeadlineTimer(self._rung, call_at)
        self._order: ReorderBuffer[_Piece] = ReorderBuffer(reorder_ms * 1_000_000)
        self._timeline = Timeline()
        self._mute = Mute()
        self._credit_ns, self._credited_ns = BURST_NS, 0  # how much sound may come at once, and since when
        self._number = 0
        self._audio: Audio | None = None
        self._send_rtcp: Callable[[bytes], None] = lambda packet: None
        self._ssrc: int | None = None
        self._retired: tuple[int, int] | None = None  # an SSRC that was replaced, until when it stays out
        self._spoken: frozenset[int] = frozenset()
        self._reception: ReceptionStats | None = None
        self._report_ns = 0
        self._awake = awake or Awake()
        self._pace: tuple[int, int, int] | None = None  # the last standstill's end; time stamp and arrival of the packet before it

    @property
    def lost(self) -> int:
        return self._order.lost

    @property
    def late(self) -> int:
        return self._order.late

    @property
    def duplicates(self) -> int:
        return self._order.duplicates

    @property
    def dropped(self) -> int:
        """Packets that were not, or could not be, the voice; those that came twice or late are not among them."""
        return self.not_agreed + self.replaced + self.no_opus + self.too_much + self.covered + self.stale

    def losses(self) -> dict[str, int]:
        """Packets that came and went nowhere, for each of REASONS. Grows only."""
        counts = (self.not_agreed, self.replaced, self.no_opus, self.too_much, self.covered, self.stale, self.duplicates, self.late)
        return dict(zip(REASONS, counts, strict=True))

    @property
    def samples(self) -> int:
        """In the newest packet that went on; 0 before the first."""
        return self._timeline.samples

    def resume(self, time: int) -> None:
        """Before the first packet: the broadcast is `time` samples old. What comes lies where its arrival says, from there on."""
        self._timeline.resume(time, self._clock_ns())

    def mute(self, muted: bool) -> None:
        """From here on nothing of what the broadcaster says goes further, in silence's place; or it does again."""
        self._mute.switch(muted, self._order.newest)

    def attach(self, audio: Audio, send_rtcp: Callable[[bytes], None]) -> None:
        """A (new) peer is the source now: what the last one still owed is given up, numbers and time go on."""
        self._audio, self._send_rtcp = audio, send_rtcp
        self._spoken = audio.spoken
        self._retire(self._clock_ns())

    def receive(self, packet: RtpPacket, arrival_ns: int) -> None:
        """One authenticated packet of the source, in any order. Delivers what is in order, before it returns."""
        audio = self._audio
        if audio is None:
            return
        if packet.ssrc != self._ssrc and not self._adopt(packet, arrival_ns):
            return
        self.received += 1
        if self._order.wild(packet.sequence):
            self._renumber(packet)
        assert self._reception is not None
        stale = arrival_ns < self._awake.settled_ns and self._is_stale(packet, arrival_ns)
        self._reception.count(packet.sequence, packet.timestamp, arrival_ns)
        payload = packet.payload
        if packet.payload_type not in self._spoken:
            payload = self._unfold(packet, arrival_ns) if packet.payload_type == audio.red_pt else b""
        samples = opus_samples(payload) if len(payload) <= MAX_PAYLOAD and not stale else 0
        if stale:
            self.stale += 1
        elif packet.payload and not (samples and self._affords(samples, arrival_ns)):
            self._drop(packet, samples)
            samples = 0
        self._put(packet.sequence, packet.timestamp, samples, payload, packet.level_dbfs, arrival_ns)
        if arrival_ns >= self._report_ns:
            self._report(arrival_ns)

    def rtcp(self, packets: Sequence[rtcp.Rtcp]) -> None:
        """What the source says of itself; only its sender reports matter here."""
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and self._reception is not None and packet.ssrc == self._ssrc:
                self._reception.heard_from(packet, self._clock_ns())

    def tick(self, now_ns: int) -> None:
        """Give up gaps that are over their time and ask again for the others. Called by the own timer; may be called at will."""
        self._pass_on(self._order.expire(now_ns))
        self._ask(now_ns)

    def flush(self) -> None:
        """Wait for nothing any more: the source is gone or silent."""
        self._pass_on(self._order.flush())

    def close(self) -> None:
        """Deliver what waits behind a gap, for nothing comes to fill it; then nothing more, and no timer runs. Idempotent."""
        self._alarm.close()
        self.flush()
        self._audio = None

    def _rung(self) -> None:
        self.tick(self._clock_ns())

    # numbering and clock

    def _retire(self, now_ns: int) -> None:
        self.flush()
        if self._ssrc is not None:
            self._retired = self._ssrc, now_ns + RETIRED_NS
        self._ssrc = None

    def _adopt(self, packet: RtpPacket, now_ns: int) -> bool:
        """Another SSRC takes over, unless it is the one that has just been replaced, or no voice: some send the video we refused."""
        assert self._audio is not None
        if not self._audio.agreed(packet.payload_type):
            self.not_agreed += 1
            return False
        if self._ssrc is not None:
            if self._retired is not None and packet.ssrc == self._retired[0] and now_ns < self._retired[1]:
                self.replaced += 1
                return False
            self._retire(now_ns)
        self._ssrc = packet.ssrc
        self._report_ns = now_ns + REPORT_NS
        self._renumber(packet)
        return True

    def _renumber(self, packet: RtpPacket) -> None:
        self.flush()
        self._order.restart()
        self._mute.restart()
        self._timeline.remap()
        self._pace = None
        self._reception = ReceptionStats(packet.ssrc, packet.sequence, self.lost)

    # the way of a packet

    def _drop(self, packet: RtpPacket, samples: int) -> None:
        """Count what is in the numbering but goes no further. samples: of the Opus in it."""
        assert self._audio is not None
        if samples:
            self.too_much += 1
        elif self._audio.agreed(packet.payload_type):
            self.no_opus += 1
        else:
            self.not_agreed += 1

    def _is_stale(self, packet: RtpPacket, arrival_ns: int) -> bool:
        """Did it wait for long while this process stood still? By the pace that its clock and ours had before."""
        since_ns = self._awake.since_ns
        if self._pace is None or self._pace[0] != since_ns:
            assert self._reception is not None
            last = self._reception.last
            self._pace = None if last is None else (since_ns, *last)
        if self._pace is None:
            return False
        _, timestamp, before_ns = self._pace
        return samples_between(before_ns, arrival_ns) - timestamp_step(packet.timestamp, timestamp) > STALE_SAMPLES

    def _affords(self, samples: int, now_ns: int) -> bool:
        """May so much sound come now? Who floods loses what is too much, rather than everybody the loop, and the disk its room."""
        lasts_ns = samples * 1_000_000_000 // RATE_HZ
        self._credit_ns = min(self._credit_ns + PACE * (now_ns - self._credited_ns), BURST_NS)
        self._credited_ns = now_ns
        affords = self._credit_ns >= lasts_ns
        self._credit_ns -= lasts_ns if affords else 0
        return affords

    def _unfold(self, packet: RtpPacket, arrival_ns: int) -> bytes:
        """The Opus payload of a RED packet; the earlier ones in it fill gaps first. b"" where there is none."""
        try:
            *earlier, primary = red.parse(packet.payload)
        except ValueError:
            return b""
        earlier = earlier[-RED_REACH:]
        for back, block in zip(range(len(earlier), 0, -1), earlier, strict=True):
            sequence = packet.sequence - back & 0xFFFF
            samples = opus_samples(block.payload)
            if samples and block.offset and block.payload_type in self._spoken and self._order.missing(sequence):
                self.recovered += 1
                timestamp = packet.timestamp - block.offset & 0xFFFFFFFF
                self._put(sequence, timestamp, samples, block.payload, nan, arrival_ns)
        return primary.payload if primary.payload_type in self._spoken else b""

    def _put(self, sequence: int, timestamp: int, samples: int, payload: bytes, level_dbfs: float, now_ns: int) -> None:
        piece = _Piece(timestamp, now_ns, samples, payload, level_dbfs, not self._mute.idle and self._mute.covers(sequence))
        self._pass_on(self._order.put(sequence, piece, now_ns))
        self._ask(now_ns)

    def _pass_on(self, ordered: Sequence[Ordered[_Piece]]) -> None:
        for lost, piece in ordered:
            self._number += lost
            if not piece.samples:
                continue
            if self._timeline.covered(piece.timestamp, piece.arrival_ns):
                self.covered += 1
                continue
            at, jumped = self._timeline.place(piece.timestamp, piece.samples, piece.arrival_ns)
            flags = Flag.JUMP if jumped else 0
            payload, level_dbfs = piece.payload, piece.level_dbfs
            if piece.muted or self._mute.on:  # it may have come before, and have waited for another
                payload, level_dbfs = silent_packet(payload[0], piece.samples), SILENCE_DBFS
            packet = Packet(self._number, at, piece.samples, piece.arrival_ns, payload, level_dbfs, flags=flags)
            self._number += 1
            self.stage_ms.add((self._clock_ns() - piece.arrival_ns) / 1e6)
            self._deliver(packet)

    # what the broadcaster is told

    def _ask(self, now_ns: int) -> None:
        asking = self._audio is not None and self._audio.nack
        if self._order.deadline_ns(asking) is None:
            return
        if asking and self._ssrc is not None:
            sequences = self._order.wanted(now_ns)
            if sequences:
                self.asked += len(sequences)
                self._tell(rtcp.build_receiver_report(OWN_SSRC) + rtcp.build_nack(OWN_SSRC, self._ssrc, sequences))
        self._alarm.set(self._order.deadline_ns(asking))

    def _report(self, now_ns: int) -> None:
        assert self._reception is not None
        self._report_ns = now_ns + REPORT_NS
        block = self._reception.report(now_ns, self.lost, self.listener_loss)
        self._tell(rtcp.build_receiver_report(OWN_SSRC, [block]) + rtcp.build_cname(OWN_SSRC, "hushcast"))

    def _tell(self, compound: bytes) -> None:
        self._send_rtcp(compound)
