"""Takes a broadcast's originals and denoised packets, and sends each number once to every listener, in the variant that it hears."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sfu.deadline_timer import CallAt, DeadlineTimer
from sfu.fanout.groups import Groups
from sfu.fanout.hold import Hold, Release
from sfu.fanout.listener import Line, Listener
from sfu.fanout.recipients import Recipient
from sfu.fanout.sender_reports import SenderReports
from sfu.rolling_quantiles import RollingQuantiles
from sfu.wire.rtcp import Nack, ReceiverReport, Report, Rtcp, SenderReport
from workers.link.ring import Flag, Packet

_HALF_CIRCLE = 0x8000
REASONS = ("denoised_late", "listener_unsent")  # why a packet is dropped


@dataclass
class ResendCounters:
    """Packets that listeners asked for again by NACK, of every fan-out that shares it. They only grow."""

    resent: int = 0
    refused: int = 0  # too many, too old, or never sent to that listener


class Fanout:
    """The fan-out of one broadcast. Owns the groups, the listeners' recipients, the held packets and their timer, but no peer.

    Everything runs on the event loop, driven by packets; a timer serves only where packets stop. A listener is sent packets from
    `join` to `leave`; it leaves by itself when its peer is about to close.
    """

    def __init__(
        self,
        ssrc: int,
        base: int | None = None,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        call_at: CallAt | None = None,
        resends: ResendCounters | None = None,
    ) -> None:
        """base: time stamp of the broadcast's time 0; random unless given. resends: where they are counted."""
        base = secrets.randbits(32) if base is None else base
        self.heard: Callable[[Packet, str], None] | None = None  # called with each packet of `auto`, and `original` or `denoised`
        self.stage_ms = RollingQuantiles()  # packet in -> what it released is with the kernel
        self.listeners: dict[Listener, None] = {}  # in the order they joined
        self._resends = resends or ResendCounters()
        self._clock_ns = clock_ns
        self._groups = Groups(ssrc, base)
        self._hold = Hold()
        self._timer = DeadlineTimer(self._timer_fired, call_at)
        self._sender_reports = SenderReports(ssrc, base)
        self._ssrc = ssrc
        self._denoising = False  # whether `auto` listeners get denoised packets
        self._next_number = 0  # after the newest original
        self._leaving_prompt: dict[Listener, int] = {}  # between prompt and held line: the number it was sent last
        self._unsent = 0  # packets that could not be sent to listeners who have left
        self._closed = False

    # packets

    def original(self, packet: Packet) -> None:
        """The broadcaster's next packet; numbers and times rise. The prompt line is sent it at once, the others after the hold."""
        if self._closed or packet.number < self._next_number:
            return
        began_ns = self._clock_ns()
        self._next_number = packet.number + 1
        self._sender_reports.map_clock(packet)
        self._send(Line.PROMPT, packet, bool(packet.flags & Flag.JUMP))
        self._release(self._hold.original(packet, began_ns))
        self._finish_packet(began_ns)

    def denoised(self, packet: Packet) -> None:
        """A denoised packet from the worker, in ascending numbers; it is dropped if its original has been sent already."""
        if self._closed:
            return
        began_ns = self._clock_ns()
        self._release(self._hold.denoised(packet))
        self._finish_packet(began_ns)

    def tick(self, now_ns: int) -> None:
        """Send the held packets whose deadline has passed. The timer calls it; calling it more often does no harm."""
        if not self._closed:
            self._release(self._hold.tick(now_ns))
            self._timer.set(self._hold.deadline_ns)

    def flush(self) -> None:
        """The broadcaster is gone: send all held packets."""
        if not self._closed:
            self._release(self._hold.flush())

    # which variant `auto` is

    def hold(self, samples: int) -> None:
        """Set how far the held lines trail: the whole delay of the denoiser. After the first packet the hold only grows."""
        if not self._hold.begun or samples > self._hold.samples:
            self._hold.samples = samples

    @property
    def held_samples(self) -> int:
        return self._hold.samples

    def follow(self, denoised: bool, expected: bool) -> None:
        """denoised: `auto` listeners get denoised packets where there are any. expected: originals wait for denoised packets."""
        self._denoising = denoised
        if not self._closed:
            self._release(self._hold.expect(expected, self._clock_ns()))
            self._timer.set(self._hold.deadline_ns)

    # listeners

    def join(self, listener: Listener) -> None:
        """Send to it from the next packet on. Its peer must be up; sets the peer's `on_closing`."""
        if self._closed or listener in self.listeners:
            return
        since = self._first_number_on(listener.line)
        # its first sequence number is below 32768, so that both ends count SRTP's roll-overs alike
        listener.sequence_offset = 0 if since & 0xFFFF < _HALF_CIRCLE else _HALF_CIRCLE
        listener.recipient = Recipient()
        self.listeners[listener] = None
        self._groups.add(listener, since)
        self._sender_reports.add(listener, self._clock_ns())
        listener.peer.on_closing = lambda: self.leave(listener)
        self.moved(listener)

    def moved(self, listener: Listener) -> None:
        """Its peer has another address, socket or key: use them from the next packet on."""
        if listener.recipient is not None:
            peer = listener.peer
            listener.recipient.set_destination(peer.fd, peer.address, peer.tx, peer.carrier)

    def leave(self, listener: Listener) -> None:
        """Stop sending to it. Nothing here refers to its keys any more when this returns. Idempotent."""
        if listener in self.listeners:
            del self.listeners[listener]
            self._unsent += listener.dropped
        self._leaving_prompt.pop(listener, None)
        self._sender_reports.remove(listener)
        self._groups.forget(listener)
        listener.detach()

    def choose(self, listener: Listener, variant: str) -> None:
        """Send it another variant (auto, denoised or original) from the next packet on, with the same numbers and time stamps.

        A listener that leaves the prompt line hears nothing for the length of the hold, and stays on held lines from then on.
        """
        listener.variant = variant
        line = Line(variant)
        if line is listener.line or (line is Line.ORIGINAL and listener.line is Line.PROMPT):
            return
        prompt, listener.line = listener.line is Line.PROMPT, line
        if listener not in self.listeners or listener in self._leaving_prompt:
            return
        self._groups.remove(listener)
        if prompt:
            self._leaving_prompt[listener] = self._next_number - 1
        else:
            self._groups.add(listener, self._first_number_on(line))

    def rtcp(self, listener: Listener, packets: Sequence[Rtcp]) -> None:
        """RTCP from a listener: take its reports, and send again what its NACKs ask for if it was sent that before."""
        now_ns = self._clock_ns()
        for packet in packets:
            if isinstance(packet, Nack):
                if packet.source == self._ssrc:
                    self._resend(listener, packet.sequences, now_ns)
            elif isinstance(packet, ReceiverReport | SenderReport):
                for report in packet.reports:
                    if report.ssrc == self._ssrc:
                        self._take_report(listener, report, now_ns)

    def worst_loss(self, denoised: bool) -> float:
        """The highest recent loss, in [0, 1], among the listeners of that variant who depend on in-band FEC."""
        now_ns = self._clock_ns()
        hearing = (each for each in self.listeners if not each.uses_red and self._hears_denoised(each) is denoised)
        return max((listener.loss_at(now_ns) for listener in hearing), default=0.0)

    def losses(self) -> dict[str, int]:
        """Packets dropped so far, for each of REASONS; they only grow.

        denoised_late: the worker returned it after its original had been sent; listener_unsent: one listener's copy that was
        not encrypted, or not taken by the kernel or the TCP connection.
        """
        unsent = self._unsent + sum(listener.dropped for listener in self.listeners)
        return dict(zip(REASONS, (self._hold.denoised_late, unsent), strict=True))

    def _hears_denoised(self, listener: Listener) -> bool:
        return listener.line is Line.DENOISED or (listener.line is Line.AUTO and self._denoising)

    def close(self) -> None:
        """Remove all listeners and the timer. Idempotent."""
        self._closed = True
        self._timer.close()
        for listener in list(self.listeners):
            self.leave(listener)

    # sending

    def _first_number_on(self, line: Line) -> int:
        """The first number that a listener who joins this line now will be sent."""
        return self._next_number if line is Line.PROMPT else self._hold.last_number + 1

    def _send(self, line: Line, packet: Packet, marker: bool) -> None:
        """Nobody joins, leaves or changes group while this runs."""
        for group in self._groups.of_line(line):
            group.recipients.send(group.build(packet, marker))

    def _release(self, releases: Sequence[Release]) -> None:
        """Send each released number on the three held lines."""
        for release in releases:
            original, denoised, auto = release.original, release.denoised, self._packet_for_auto(release)
            if self._leaving_prompt:
                self._join_held_lines(release.number)
            for line, packet in ((Line.AUTO, auto), (Line.DENOISED, denoised or original), (Line.ORIGINAL, original)):
                if packet is not None and self._groups.of_line(line):
                    self._send(line, packet, release.jumped)
            if self.heard is not None and auto is not None:
                self.heard(auto, "denoised" if auto is denoised else "original")

    def _packet_for_auto(self, release: Release) -> Packet | None:
        """None for a lost original that the worker concealed, while `auto` is original."""
        return release.denoised if self._denoising and release.denoised is not None else release.original

    def _join_held_lines(self, number: int) -> None:
        """Add the listeners from the prompt line to held lines, each with the first number that it was not sent."""
        for listener in [each for each, last in self._leaving_prompt.items() if number > last]:
            del self._leaving_prompt[listener]
            self._groups.add(listener, number)

    def _finish_packet(self, began_ns: int) -> None:
        """Measure how long the packet took, send the sender reports that are due, and set the timer."""
        now_ns = self._clock_ns()
        self.stage_ms.add((now_ns - began_ns) / 1e6)
        self._sender_reports.send_due(now_ns)
        self._timer.set(self._hold.deadline_ns)

    def _timer_fired(self) -> None:
        self.tick(self._clock_ns())

    def _take_report(self, listener: Listener, report: Report, now_ns: int) -> None:
        before = listener.redundancy
        listener.take_report(report, now_ns)
        if listener.redundancy != before and listener in self._groups:
            self._groups.remove(listener)
            self._groups.add(listener, self._first_number_on(listener.line))

    def _resend(self, listener: Listener, sequences: Sequence[int], now_ns: int) -> None:
        for sequence in sequences:
            plain = self._groups.find_sent(listener, sequence, now_ns)
            if plain is None or not listener.may_resend(now_ns):
                self._resends.refused += 1
            else:
                listener.peer.send_rtp(plain)
                self._resends.resent += 1
