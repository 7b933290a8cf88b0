"""Originals and denoised packets in, each number out once to every listener, in the variant that it is to hear."""

import secrets
import time
from collections.abc import Callable, Sequence

from sfu.deadline_timer import CallAt, DeadlineTimer
from sfu.fanout.groups import Groups
from sfu.fanout.hold import Hold, Release
from sfu.fanout.listener import Line, Listener
from sfu.fanout.recipients import AllRecipients, Recipients
from sfu.fanout.sender_reports import SenderReports
from sfu.rolling_quantiles import RollingQuantiles
from sfu.wire.rtcp import Nack, ReceiverReport, Report, Rtcp, SenderReport
from workers.link.ring import Flag, Packet

_HALF = 0x8000

Loads = Sequence[tuple[Recipients, bytes]]


class Fanout:
    """The way out of one broadcast. Owns slots, header groups, held packets and their timer; the listeners' peers are not its own.

    Everything happens on the loop, driven by packets; a timer serves only where packets stop. A listener is in from `join`
    to `leave`, and leaves by itself when its peer is about to close.
    """

    def __init__(
        self,
        ssrc: int,
        base: int | None = None,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        call_at: CallAt | None = None,
    ) -> None:
        base = secrets.randbits(32) if base is None else base
        self.heard: Callable[[Packet, str], None] | None = None  # each packet of `auto`, and its variant: original or denoised
        self.stage_ms = RollingQuantiles()  # a packet is handed in -> the kernel has what goes out for it
        self.listeners: dict[Listener, None] = {}  # in the order they joined
        self._clock_ns = clock_ns
        self._batch = AllRecipients()
        self._groups = Groups(ssrc, base, self._batch)
        self._hold = Hold()
        self._alarm = DeadlineTimer(self._rung, call_at)
        self._reporting = SenderReports(ssrc, base)
        self._ssrc = ssrc
        self._denoising = False  # does `auto` point at denoised?
        self._next = 0  # after the newest original
        self._stepping: dict[Listener, int] = {}  # from the prompt line into the held ones: after which number
        self._closed = False

    # packets

    def original(self, packet: Packet) -> None:
        """The next packet as the broadcaster sent it; numbers and time rise. To the prompt line at once, to the others held."""
        if self._closed or packet.number < self._next:
            return
        began_ns = self._clock_ns()
        self._next = packet.number + 1
        self._reporting.map(packet)
        prompt = self._load(Line.PROMPT, packet, bool(packet.flags & Flag.JUMP))
        self._release(self._hold.original(packet, began_ns), prompt)
        self._settle(began_ns)

    def denoised(self, packet: Packet) -> None:
        """A denoised packet from the worker, in ascending numbers; too late ones are dropped."""
        if self._closed:
            return
        began_ns = self._clock_ns()
        self._release(self._hold.denoised(packet))
        self._settle(began_ns)

    def tick(self, now_ns: int) -> None:
        """Let go what has waited long enough. Called by the own timer; may be called at will."""
        if not self._closed:
            self._release(self._hold.tick(now_ns))
            self._alarm.set(self._hold.deadline_ns)

    def flush(self) -> None:
        """The broadcaster is gone: let go all that is held."""
        if not self._closed:
            self._release(self._hold.flush())

    # what auto points at

    def hold(self, samples: int) -> None:
        """How far the held lines trail: the whole delay of the denoiser. From the first packet on it only grows, for a heavier one."""
        if not self._hold.begun or samples > self._hold.samples:
            self._hold.samples = samples

    @property
    def held_samples(self) -> int:
        return self._hold.samples

    def follow(self, denoised: bool, expected: bool) -> None:
        """denoised: `auto` is to be denoised where it can be. expected: a worker is alive, so denoised packets are worth waiting for."""
        self._denoising = denoised
        if not self._closed:
            self._release(self._hold.expect(expected, self._clock_ns()))
            self._alarm.set(self._hold.deadline_ns)

    # listeners

    def join(self, listener: Listener) -> None:
        """Send to it from the next packet on. Its peer must be up; from here on its `on_closing` is ours."""
        if self._closed or listener in self.listeners:
            return
        since = self._next_of(listener.line)
        listener.half = 0 if since & 0xFFFF < _HALF else _HALF  # it starts in the lower half of the circle: roll-over cannot be misjudged
        listener.slot = self._batch.take()
        self.listeners[listener] = None
        self._groups.add(listener, since)
        self._reporting.add(listener, self._clock_ns())
        listener.peer.on_closing = lambda: self.leave(listener)
        self.moved(listener)

    def moved(self, listener: Listener) -> None:
        """Its peer has another address, socket or key: the next packet goes there."""
        if listener.slot is not None:
            peer = listener.peer
            listener.slot.aim(peer.fd, peer.address, peer.tx, peer.carrier)

    def leave(self, listener: Listener) -> None:
        """Nothing of ours points at it or its keys any more when this returns. Idempotent."""
        self.listeners.pop(listener, None)
        self._stepping.pop(listener, None)
        self._reporting.remove(listener)
        self._groups.forget(listener)
        listener.give_back()

    def choose(self, listener: Listener, variant: str) -> None:
        """Its own variant (auto, denoised or original) from the next packet on: same numbers, same time stamps.

        Who heard originals at once hears nothing for the length of the hold, the first time; never anything twice.
        """
        listener.variant = variant
        line = Line(variant)
        if line is listener.line or (line is Line.ORIGINAL and listener.line is Line.PROMPT):
            return
        prompt, listener.line = listener.line is Line.PROMPT, line
        if listener not in self.listeners or listener in self._stepping:
            return
        self._groups.remove(listener)
        if prompt:
            self._stepping[listener] = self._next - 1
        else:
            self._groups.add(listener, self._next_of(line))

    def rtcp(self, listener: Listener, packets: Sequence[Rtcp]) -> None:
        """What a listener says: reports are remembered, what it asks for is sent again if it was sent to it before."""
        now_ns = self._clock_ns()
        for packet in packets:
            if isinstance(packet, Nack):
                if packet.source == self._ssrc:
                    self._resend(listener, packet.sequences, now_ns)
            elif isinstance(packet, ReceiverReport | SenderReport):
                for report in packet.reports:
                    if report.ssrc == self._ssrc:
                        self._hear(listener, report, now_ns)

    def worst_loss(self, denoised: bool) -> float:
        """The greatest share, in [0, 1], lost lately by any who hears that variant and has to be helped by its packets' FEC."""
        now_ns = self._clock_ns()
        ears = (each for each in self.listeners if not each.repaired and self._hears_denoised(each) is denoised)
        return max((listener.loss_at(now_ns) for listener in ears), default=0.0)

    def _hears_denoised(self, listener: Listener) -> bool:
        return listener.line is Line.DENOISED or (listener.line is Line.AUTO and self._denoising)

    def close(self) -> None:
        """All listeners are out and no timer is left. Idempotent."""
        self._closed = True
        self._alarm.close()
        for listener in list(self.listeners):
            self.leave(listener)

    # below: the way of a packet

    def _next_of(self, line: Line) -> int:
        """The first number that a newcomer to a line will be sent."""
        return self._next if line is Line.PROMPT else self._hold.last + 1

    def _load(self, line: Line, packet: Packet, marker: bool) -> list[tuple[Recipients, bytes]]:
        return [(group.crew, group.build(packet, marker)) for group in self._groups.of_line(line)]

    def _release(self, releases: Sequence[Release], prompt: Loads = ()) -> None:
        """Send what goes on, each number on all held lines at once; what is for the prompt line goes with the first."""
        loads = list(prompt)
        for release in releases:
            auto = self._auto(release)
            self._send(loads + self._held_loads(release, auto))
            loads = []
            if self.heard is not None and auto is not None:
                self.heard(auto, "denoised" if auto is release.denoised else "original")
        self._send(loads)

    def _send(self, loads: Loads) -> None:
        if loads:
            self._batch.send(loads)

    def _auto(self, release: Release) -> Packet | None:
        """Where the pointer points: a lost original that nobody denoised is lost."""
        return release.denoised if self._denoising and release.denoised is not None else release.original

    def _held_loads(self, release: Release, auto: Packet | None) -> list[tuple[Recipients, bytes]]:
        original, denoised = release.original, release.denoised
        if self._stepping:
            self._step_in(release.number)
        loads: list[tuple[Recipients, bytes]] = []
        for line, packet in ((Line.AUTO, auto), (Line.DENOISED, denoised or original), (Line.ORIGINAL, original)):
            if packet is not None and self._groups.of_line(line):
                loads += self._load(line, packet, release.jumped)
        return loads

    def _step_in(self, number: int) -> None:
        """Those who come from the prompt line begin with the first number that they have not heard."""
        for listener in [each for each, after in self._stepping.items() if number > after]:
            del self._stepping[listener]
            self._groups.add(listener, number)

    def _settle(self, began_ns: int) -> None:
        """After a packet: how long it took, who is to be told of it, and when to look again."""
        now_ns = self._clock_ns()
        self.stage_ms.add((now_ns - began_ns) / 1e6)
        self._reporting.send_due(now_ns)
        self._alarm.set(self._hold.deadline_ns)

    def _rung(self) -> None:
        self.tick(self._clock_ns())

    def _hear(self, listener: Listener, report: Report, now_ns: int) -> None:
        before = listener.redundancy
        listener.hear(report, now_ns)
        if listener.redundancy != before and listener in self._groups:
            self._groups.remove(listener)
            self._groups.add(listener, self._next_of(listener.line))

    def _resend(self, listener: Listener, sequences: Sequence[int], now_ns: int) -> None:
        for sequence in sequences:
            plain = self._groups.again(listener, sequence, now_ns)
            if plain is None or not listener.may_resend(now_ns):
                listener.unasked += 1
            else:
                listener.peer.send_rtp(plain)
                listener.resent += 1
