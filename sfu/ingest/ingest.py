"""What happens to each packet of a broadcaster: unpacked, put in order and on the time line, delivered; and what the sender is told."""

import time
from collections.abc import Callable, Sequence
from math import nan
from typing import NamedTuple

from sfu.deadline_timer import CallAt, DeadlineTimer
from sfu.ingest.backlog import Backlog
from sfu.ingest.flood_limit import FloodLimit
from sfu.ingest.mute import Mute, silent_packet
from sfu.ingest.reception_stats import ReceptionStats
from sfu.ingest.reorder_buffer import Ordered, ReorderBuffer
from sfu.ingest.timeline import Timeline
from sfu.rolling_quantiles import RollingQuantiles
from sfu.standstill import StandstillDetector
from sfu.wire import red, rtcp
from sfu.wire.rtp import RtpPacket
from sfu.wire.sdp import Audio
from workers.link.opus_toc import opus_samples
from workers.link.ring import MAX_PAYLOAD, Flag, Packet

REPORT_INTERVAL_NS = 1_000_000_000
REPLACED_SSRC_OUT_NS = 2_000_000_000  # an SSRC that was replaced may come back after this, so that two at a time cannot alternate
MAX_REDUNDANCY = 2  # of the earlier payloads in a broadcaster's RED packet so many are used; what listeners get: `Listener.redundancy`
REASONS = ("not_agreed", "replaced_source", "no_opus", "too_much", "covered", "stale", "duplicate", "late")  # why packets are dropped
OUTCOMES = ("received", "lost", "recovered", "asked")  # as the counters of `Ingest` have them
SILENCE_DBFS = -127.0  # of a muted packet (RFC 6464): the level that the client sent would show that somebody speaks
OWN_SSRC = 1  # sender of our reports: we send no media to a broadcaster, and so have no SSRC


class _Received(NamedTuple):
    """One packet in the reorder buffer. samples: 0 for one without sound, which takes no number and no time. muted: it came while muted."""

    timestamp: int
    arrival_ns: int
    samples: int
    payload: bytes
    level_dbfs: float
    muted: bool


class Ingest:
    """One broadcaster's packets in order, on the broadcast's time line. Owns the timer of its gaps; `close` ends it.

    Numbers and time continue over every change of peer, SSRC, payload type and clock. Counters: packets `received`, and `recovered`
    from RED; those dropped, by reason, see `losses`; `lost`, `late` and `duplicates` as in ReorderBuffer.
    """

    def __init__(
        self,
        reorder_ms: int,
        deliver: Callable[[Packet], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
        call_at: CallAt | None = None,
        standstill: StandstillDetector | None = None,
    ) -> None:
        self.received = 0
        self.not_agreed = 0  # of a payload type that was not agreed on, such as video that the answer refused
        self.replaced = 0  # of an SSRC that another one has replaced
        self.no_opus = 0  # neither Opus nor RED, or too large
        self.too_much = 0  # beyond the flood limit
        self.covered = 0  # inside the claimed duration of a malformed packet
        self.stale = 0  # waited too long while this process stood still
        self.recovered = 0  # from RED
        self.asked = 0  # sequences that were asked for by NACK
        self.listener_loss = 0.0  # of the worst listener, in [0, 1]; reported to the broadcaster where it exceeds its own
        self.stage_ms = RollingQuantiles()  # from the datagram's arrival to delivery
        self._deliver = deliver
        self._clock_ns = clock_ns
        self._timer = DeadlineTimer(self._on_timer, call_at)
        self._reorder_buffer: ReorderBuffer[_Received] = ReorderBuffer(reorder_ms * 1_000_000)
        self._timeline = Timeline()
        self._mute = Mute()
        self._admits = FloodLimit().admits
        self._backlog = Backlog()
        self._number = 0
        self._audio: Audio | None = None
        self._send_rtcp: Callable[[bytes], None] = lambda packet: None
        self._ssrc: int | None = None
        self._replaced_ssrc: tuple[int, int] | None = None  # the last one that was replaced, and until when its packets are dropped
        self._opus_pts: frozenset[int] = frozenset()
        self._reception: ReceptionStats | None = None
        self._report_ns = 0
        self._standstill = standstill or StandstillDetector()

    @property
    def lost(self) -> int:
        return self._reorder_buffer.lost

    @property
    def late(self) -> int:
        return self._reorder_buffer.late

    @property
    def duplicates(self) -> int:
        return self._reorder_buffer.duplicates

    @property
    def dropped(self) -> int:
        """Packets that were dropped, but for duplicates and late ones."""
        return self.not_agreed + self.replaced + self.no_opus + self.too_much + self.covered + self.stale

    def losses(self) -> dict[str, int]:
        """Packets that were dropped, for each of REASONS. Grows only."""
        counts = (self.not_agreed, self.replaced, self.no_opus, self.too_much, self.covered, self.stale, self.duplicates, self.late)
        return dict(zip(REASONS, counts, strict=True))

    def outcomes(self) -> dict[str, int]:
        """What became of the broadcaster's packets, for each of OUTCOMES. Grows only."""
        return dict(zip(OUTCOMES, (self.received, self.lost, self.recovered, self.asked), strict=True))

    @property
    def samples(self) -> int:
        """In the packet delivered last; 0 before the first."""
        return self._timeline.samples

    def resume(self, time: int) -> None:
        """Before the first packet: the broadcast is `time` samples old now, and the first packet is placed by its arrival."""
        self._timeline.resume(time, self._clock_ns())

    def mute(self, muted: bool) -> None:
        """From the next packet on the broadcaster's sound is replaced by silence, or no longer."""
        self._mute.switch(muted, self._reorder_buffer.newest)

    def attach(self, audio: Audio, send_rtcp: Callable[[bytes], None]) -> None:
        """A (new) peer is the source now. Packets of the last one that are still missing are given up; numbers and time continue."""
        self._audio, self._send_rtcp = audio, send_rtcp
        self._opus_pts = audio.opus_pts
        self._end_source(self._clock_ns())

    def receive(self, packet: RtpPacket, arrival_ns: int) -> None:
        """One authenticated packet of the source, in any order. What it puts in order is delivered before this returns."""
        audio = self._audio
        if audio is None:
            return
        if packet.ssrc != self._ssrc and not self._switch_source(packet, arrival_ns):
            return
        self.received += 1
        if self._reorder_buffer.is_renumbered(packet.sequence):
            self._restart_numbering(packet)
        reception = self._reception
        assert reception is not None
        stale = arrival_ns < self._standstill.settled_ns and self._backlog.is_stale(
            packet.timestamp, arrival_ns, reception.last, self._standstill.ended_ns
        )
        reception.count(packet.sequence, packet.timestamp, arrival_ns)
        payload = packet.payload
        if packet.payload_type not in self._opus_pts:
            payload = self._unpack_red(packet, arrival_ns) if packet.payload_type == audio.red_pt else b""
        samples = opus_samples(payload) if len(payload) <= MAX_PAYLOAD and not stale else 0
        if stale:
            self.stale += 1
        elif packet.payload and not (samples and self._admits(samples, arrival_ns)):
            self._drop(packet, samples)
            samples = 0
        self._reorder(packet.sequence, packet.timestamp, samples, payload, packet.level_dbfs, arrival_ns)
        if arrival_ns >= self._report_ns:
            self._report(arrival_ns)

    def rtcp(self, packets: Sequence[rtcp.Rtcp]) -> None:
        """RTCP of the source; only its sender reports are used."""
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and self._reception is not None and packet.ssrc == self._ssrc:
                self._reception.note_sender_report(packet, self._clock_ns())

    def tick(self, now_ns: int) -> None:
        """Give up the gaps that have waited long enough and ask for the others again. Called by the timer; more calls do no harm."""
        self._deliver_all(self._reorder_buffer.expire(now_ns))
        self._ask(now_ns)

    def flush(self) -> None:
        """Give up all gaps and deliver what is held: the source is gone or silent."""
        self._deliver_all(self._reorder_buffer.flush())

    def close(self) -> None:
        """Deliver what is held, then nothing more; the timer ends. Idempotent."""
        self._timer.close()
        self.flush()
        self._audio = None

    def _on_timer(self) -> None:
        self.tick(self._clock_ns())

    # numbering and clock

    def _end_source(self, now_ns: int) -> None:
        self.flush()
        if self._ssrc is not None:
            self._replaced_ssrc = self._ssrc, now_ns + REPLACED_SSRC_OUT_NS
        self._ssrc = None

    def _switch_source(self, packet: RtpPacket, now_ns: int) -> bool:
        """Change to another SSRC; False, and counted, where it has just been replaced or this is not audio that was agreed on."""
        assert self._audio is not None
        if not self._audio.agreed(packet.payload_type):
            self.not_agreed += 1
            return False
        if self._ssrc is not None:
            if self._replaced_ssrc is not None and packet.ssrc == self._replaced_ssrc[0] and now_ns < self._replaced_ssrc[1]:
                self.replaced += 1
                return False
            self._end_source(now_ns)
        self._ssrc = packet.ssrc
        self._report_ns = now_ns + REPORT_INTERVAL_NS
        self._restart_numbering(packet)
        return True

    def _restart_numbering(self, packet: RtpPacket) -> None:
        self.flush()
        self._reorder_buffer.restart()
        self._mute.restart()
        self._timeline.remap()
        self._backlog.restart()
        self._reception = ReceptionStats(packet.ssrc, packet.sequence, self.lost)

    # one packet, in the order of its processing

    def _drop(self, packet: RtpPacket, samples: int) -> None:
        """Count a packet whose sound is dropped. samples: of the Opus in it."""
        assert self._audio is not None
        if samples:
            self.too_much += 1
        elif self._audio.agreed(packet.payload_type):
            self.no_opus += 1
        else:
            self.not_agreed += 1

    def _unpack_red(self, packet: RtpPacket, arrival_ns: int) -> bytes:
        """The primary Opus payload of a RED packet, b"" where there is none; the earlier payloads in it fill gaps first."""
        try:
            *earlier, primary = red.parse(packet.payload)
        except ValueError:
            return b""
        earlier = earlier[-MAX_REDUNDANCY:]
        for back, block in zip(range(len(earlier), 0, -1), earlier, strict=True):
            sequence = packet.sequence - back & 0xFFFF
            samples = opus_samples(block.payload)
            if samples and block.offset and block.payload_type in self._opus_pts and self._reorder_buffer.missing(sequence):
                self.recovered += 1
                timestamp = packet.timestamp - block.offset & 0xFFFFFFFF
                self._reorder(sequence, timestamp, samples, block.payload, nan, arrival_ns)
        return primary.payload if primary.payload_type in self._opus_pts else b""

    def _reorder(self, sequence: int, timestamp: int, samples: int, payload: bytes, level_dbfs: float, now_ns: int) -> None:
        received = _Received(timestamp, now_ns, samples, payload, level_dbfs, not self._mute.idle and self._mute.silences(sequence))
        self._deliver_all(self._reorder_buffer.put(sequence, received, now_ns))
        self._ask(now_ns)

    def _deliver_all(self, ordered: Sequence[Ordered[_Received]]) -> None:
        for lost, received in ordered:
            self._number += lost
            if not received.samples:
                continue
            if self._timeline.covered(received.timestamp, received.arrival_ns):
                self.covered += 1
                continue
            at, jumped = self._timeline.place(received.timestamp, received.samples, received.arrival_ns)
            flags = Flag.JUMP if jumped else 0
            payload, level_dbfs = received.payload, received.level_dbfs
            if received.muted or self._mute.on:  # `on`: it may have come before the mute, and have waited behind a gap
                payload, level_dbfs = silent_packet(payload[0], received.samples), SILENCE_DBFS
            packet = Packet(self._number, at, received.samples, received.arrival_ns, payload, level_dbfs, flags=flags)
            self._number += 1
            self.stage_ms.add((self._clock_ns() - received.arrival_ns) / 1e6)
            self._deliver(packet)

    # reports to the broadcaster

    def _ask(self, now_ns: int) -> None:
        asking = self._audio is not None and self._audio.nack
        if self._reorder_buffer.deadline_ns(asking) is None:
            return
        if asking and self._ssrc is not None:
            sequences = self._reorder_buffer.wanted(now_ns)
            if sequences:
                self.asked += len(sequences)
                self._send(rtcp.build_receiver_report(OWN_SSRC) + rtcp.build_nack(OWN_SSRC, self._ssrc, sequences))
        self._timer.set(self._reorder_buffer.deadline_ns(asking))

    def _report(self, now_ns: int) -> None:
        assert self._reception is not None
        self._report_ns = now_ns + REPORT_INTERVAL_NS
        block = self._reception.report(now_ns, self.lost, self.listener_loss)
        self._send(rtcp.build_receiver_report(OWN_SSRC, [block]) + rtcp.build_cname(OWN_SSRC, "hushcast"))

    def _send(self, compound: bytes) -> None:
        self._send_rtcp(compound)
