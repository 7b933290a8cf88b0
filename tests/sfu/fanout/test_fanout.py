"""Packets in, RTP to real SRTP receivers out. The clock is a number; sockets and encryption are real."""

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sfu.deadline_timer import Cancellable
from sfu.fanout.fanout import Fanout, ResendCounters
from sfu.fanout.listener import RESENDS_A_SECOND, Listener
from sfu.peer.peer import Peer
from sfu.wire import red, rtcp, rtp
from sfu.wire.sdp import Audio
from tests.sfu.fanout.ears import SSRC, Ear
from workers.link.ring import Flag, Packet

MS = 1_000_000
BASE = 2**32 - 2000  # the time stamps wrap soon
HOLD = 1920


class Timer:
    def cancel(self) -> None:
        pass


class Stage:
    """A fan-out with listeners, on a clock that only packets and `at` move. `o` puts originals in, `d` denoised packets."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.heard: list[tuple[int, str]] = []
        self.resends = ResendCounters()
        self.fanout = Fanout(SSRC, BASE, clock_ns=lambda: self.now_ns, call_at=self._call_at, resends=self.resends)
        self.fanout.hold(HOLD)
        self.fanout.heard = lambda packet, variant: self.heard.append((packet.number, variant))
        self._closing = ExitStack()
        self._sender = self._closing.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._sender.bind(("127.0.0.1", 0))

    def _call_at(self, at_s: float, ring: Callable[[], None]) -> Cancellable:
        return Timer()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.fanout.close()
        self._closing.close()

    def listener(self, variant: str, **audio: int) -> "Heard":
        ear = self._closing.enter_context(Ear(self._sender, Audio(mid="0", **({"opus_pt": 111} | audio))))  # type: ignore[arg-type]
        listener = Listener(cast(Peer, ear), variant)
        self.fanout.join(listener)
        return Heard(ear, listener)

    def at(self, ms: float) -> None:
        self.now_ns = int(ms * MS)
        self.fanout.tick(self.now_ns)

    def o(self, *numbers: int, flags: int = 0) -> None:
        for n in numbers:
            self.now_ns = 20 * n * MS
            self.fanout.original(Packet(n, 960 * n, 960, self.now_ns, b"o%d" % n, flags=flags))

    def d(self, *numbers: int) -> None:
        for n in numbers:
            self.fanout.denoised(Packet(n, 960 * n, 960, self.now_ns, b"d%d" % n))


class Heard:
    """A listener and its remote end."""

    def __init__(self, ear: Ear, listener: Listener) -> None:
        self.ear, self.listener = ear, listener

    def packets(self) -> list[rtp.RtpPacket]:
        return self.ear.hear()[0]

    def __call__(self) -> str:
        """The payloads that came since the last call."""
        packets, _ = self.ear.hear()
        assert self.ear.refused == 0
        return " ".join(packet.payload.decode() for packet in packets)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


# variants


def test_each_hears_its_variant(stage: Stage) -> None:
    """`original` listeners get packets at once; `auto` and `denoised` listeners when the worker returns them."""
    stage.fanout.follow(True, True)
    original, auto, denoised = (stage.listener(variant) for variant in ("original", "auto", "denoised"))
    stage.o(0, 1, 2)
    assert (original(), auto(), denoised()) == ("o0 o1 o2", "", "")
    stage.d(0)
    stage.o(3)
    stage.d(1)
    assert (original(), auto(), denoised()) == ("o3", "d0 d1", "d0 d1")
    assert stage.heard == [(0, "denoised"), (1, "denoised")]


def test_toggle_changes_auto_alone(stage: Stage) -> None:
    """With the switch off, `auto` listeners get originals after the same hold; those who chose `denoised` still get it."""
    auto, denoised = stage.listener("auto"), stage.listener("denoised")
    for n in range(8):
        stage.fanout.follow(n % 4 < 2, True)
        stage.o(n)
        stage.d(n)
    assert auto() == "d0 d1 o2 o3 d4 d5 o6 o7"
    assert denoised() == "d0 d1 d2 d3 d4 d5 d6 d7"


def test_death_of_the_worker_is_not_heard(stage: Stage) -> None:
    """When the worker dies, originals continue the numbers and time stamps, and denoised packets do when it is back; none is missing."""
    auto = stage.listener("auto")
    for n in range(40):
        alive = not 10 <= n < 20
        stage.fanout.follow(True, alive)
        stage.o(n)
        if alive and n >= 2:
            stage.d(n - 2)  # 18 and 19 come too late: originals from before the new worker did not wait for it
    packets = auto.packets()
    assert [packet.sequence for packet in packets] == list(range(38))
    assert [packet.timestamp for packet in packets] == [(960 * n + BASE) & 0xFFFFFFFF for n in range(38)]
    assert b"".join(packet.payload[:1] for packet in packets) == b"d" * 8 + b"o" * 12 + b"d" * 18


def test_lost_original_that_was_concealed(stage: Stage) -> None:
    """A lost packet that the worker concealed is sent to those who hear denoised, and to nobody else."""
    stage.fanout.follow(True, True)
    auto, original = stage.listener("auto"), stage.listener("original")
    stage.o(0, 2, 3)
    stage.d(0, 1)
    assert (auto(), original()) == ("d0 d1", "o0 o2 o3")
    stage.fanout.follow(False, True)
    stage.o(5)
    stage.d(2, 3, 4)
    assert auto() == "o2 o3"  # switched off: the concealed 4 is not sent


def test_own_choice_keeps_number_and_time(stage: Stage) -> None:
    """A listener on a held line that chooses another variant gets the next number of it, with the same time stamps."""
    stage.fanout.follow(True, True)
    one = stage.listener("auto")
    for n in range(12):
        if n == 4:
            stage.fanout.choose(one.listener, "original")
        elif n == 8:
            stage.fanout.choose(one.listener, "denoised")
        stage.o(n)
        stage.d(n)
    packets = one.packets()
    assert b" ".join(packet.payload for packet in packets) == b"d0 d1 d2 d3 o4 o5 o6 o7 d8 d9 d10 d11"
    assert [packet.sequence for packet in packets] == list(range(12))


def test_step_from_original_to_held(stage: Stage) -> None:
    """A listener that leaves the prompt line gets no packet twice and misses none; `original` is a held line for it from then on."""
    stage.fanout.follow(True, True)
    one = stage.listener("original")
    stage.o(0, 1, 2)
    stage.d(0)
    stage.fanout.choose(one.listener, "auto")
    stage.d(1, 2)
    stage.o(3, 4, 5)
    stage.d(3)
    assert one() == "o0 o1 o2 d3"
    stage.fanout.choose(one.listener, "original")
    stage.o(6)
    stage.d(4)
    assert one() == "o4"
    stage.fanout.choose(one.listener, "original")
    stage.d(5)
    assert one() == "o5"


def test_hold_only_grows_from_the_first_packet_on(stage: Stage) -> None:
    """The hold may be set until the first packet, and only lengthened after it."""
    stage.fanout.hold(960)
    auto = stage.listener("auto")
    stage.o(0, 1)
    stage.fanout.hold(480)
    stage.o(2)
    assert stage.fanout.held_samples == 960 and auto() == "o0 o1"
    stage.fanout.hold(2880)
    stage.o(3)
    stage.o(4)
    assert stage.fanout.held_samples == 2880 and auto() == ""
    stage.o(5)
    assert auto() == "o2"


def test_silence_and_the_end_let_go(stage: Stage) -> None:
    """When packets stop, the held ones are sent at their deadline, or by flush."""
    auto = stage.listener("auto")
    stage.o(0, 1)
    stage.at(46)
    assert auto() == "o0"
    stage.fanout.flush()
    assert auto() == "o1"


def test_jump_is_marked(stage: Stage) -> None:
    """The first packet after a jump of the time line carries the marker bit, on every line."""
    both = stage.listener("original"), stage.listener("auto")
    stage.o(0)
    stage.o(1, flags=Flag.JUMP)
    stage.o(2, 3)
    for one in both:
        assert [packet.marker for packet in one.packets()][:2] == [False, True]


# groups


def test_joiner_begins_in_the_lower_half(stage: Stage) -> None:
    """A listener's first sequence number is below 32768; those of earlier listeners go on as they were."""
    early = stage.listener("original")
    stage.o(32_767)
    late = stage.listener("original")
    stage.o(32_768, 32_769)
    assert [packet.sequence for packet in early.packets()] == [32_767, 32_768, 32_769]
    assert [packet.sequence for packet in late.packets()] == [0, 1]
    stage.o(65_535, 65_536)
    assert [packet.sequence for packet in early.packets()] == [65_535, 0]
    assert [packet.sequence for packet in late.packets()] == [32_767, 32_768]
    assert early.ear.refused == late.ear.refused == 0


def test_payload_types_are_each_ones_own(stage: Stage) -> None:
    """Two listeners that negotiated different payload types are each sent theirs."""
    one, other = stage.listener("original"), stage.listener("original", opus_pt=96)
    stage.o(0)
    assert [one.packets()[0].payload_type, other.packets()[0].payload_type] == [111, 96]


def test_red_brings_the_packet_before(stage: Stage) -> None:
    """A listener that negotiated RED is sent each packet with the one before it, at its true offset."""
    one = stage.listener("original", red_pt=63)
    stage.o(0, 1, 3)
    blocks = [red.parse(packet.payload) for packet in one.packets()]
    assert [[(block.payload, block.offset) for block in each] for each in blocks] == [
        [(b"o0", 0)],
        [(b"o0", 960), (b"o1", 0)],
        [(b"o1", 1920), (b"o3", 0)],
    ]


def test_redundancy_follows_the_loss(stage: Stage) -> None:
    """RED carries two earlier packets above 5 % loss, one below, none after a minute without loss, and one again with the next loss."""
    one, plain = stage.listener("original", red_pt=63), stage.listener("original")
    counts = []
    n = 0
    for fraction, seconds in [(0, 5), (26, 5), (10, 5), (3, 5), (0, 55), (0, 10), (1, 5)]:
        for _ in range(seconds):
            for heard in (one, plain):
                report = rtcp.ReceiverReport(1, (rtcp.Report(SSRC, fraction, 0, 0, 0),))
                stage.fanout.rtcp(heard.listener, [report])
            stage.o(n, n + 1, n + 2)
            packets = one.packets()
            assert [packet.sequence for packet in packets] == [n, n + 1, n + 2]
            n += 50
            newest = packets[-1]
            counts.append(len(red.parse(newest.payload)) - 1 if newest.payload_type == 63 else 0)
            assert all(packet.payload_type == 111 for packet in plain.packets())
    assert [counts[at] for at in (0, 5, 10, 17, 70, 84, 85)] == [1, 2, 2, 1, 1, 0, 1]


def test_redundancy_does_not_flap(stage: Stage) -> None:
    """Reports that alternate between 33 % and 0 %, as browsers send them with every NACK, leave the redundancy at two."""
    one = stage.listener("original", red_pt=63)
    counts = []
    for n in range(0, 500, 5):
        report = rtcp.Report(SSRC, 85 if n % 15 == 0 else 0, 0, 0, 0)
        stage.fanout.rtcp(one.listener, [rtcp.ReceiverReport(1, (report,))])
        stage.o(n)
        counts += [len(red.parse(packet.payload)) - 1 for packet in one.packets()]
    assert set(counts[10:]) == {2}


def test_large_packets_go_alone(stage: Stage) -> None:
    """An earlier packet that would make the RED packet exceed the MTU of some paths is left out."""
    one = stage.listener("original", red_pt=63)
    for n in range(2):
        stage.fanout.original(Packet(n, 960 * n, 960, 0, bytes(1000)))
    assert [len(red.parse(packet.payload)) for packet in one.packets()] == [1, 1]


def test_leaving_frees_everything(stage: Stage) -> None:
    """After a thousand joins and leaves between packets there are one listener, one group and one report due."""
    stay = stage.listener("auto")
    for n in range(1000):
        one = stage.listener(("auto", "original", "denoised")[n % 3])
        stage.o(n)
        if n % 5 == 0:
            stage.fanout.choose(one.listener, "denoised")
        assert one.listener.sent == (n % 3 == 1 or n >= 2)
        one.ear.close()  # calls on_closing, which makes it leave
        assert one.listener.recipient is None
    assert list(stage.fanout.listeners) == [stay.listener]
    assert len(stage.fanout._groups) == 1 and len(stage.fanout._sender_reports._due) == 1 and not stage.fanout._leaving_prompt
    assert stay.listener.sent == 998 and stay.listener.dropped == 0
    stage.fanout.close()
    stage.fanout.close()
    assert stay.listener.recipient is None


def test_moved_listener_is_sent_to_its_new_address(stage: Stage) -> None:
    """After `moved` the next packet goes to the new address, over the new socket."""
    one = stage.listener("original")
    stage.o(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.setblocking(False)
        one.ear.address = elsewhere.getsockname()
        stage.fanout.moved(one.listener)
        stage.o(1)
        assert len(one.packets()) == 1
        assert elsewhere.recv(2048)
    assert one.listener.counters == (2, 0, 4)


def test_drops_are_counted_by_reason(stage: Stage) -> None:
    """Denoised packets that come too late and copies that cannot be sent are counted, also of listeners who have left."""
    reachable, unreachable = stage.listener("auto"), stage.listener("auto")
    unreachable.ear.address = ("127.0.0.1", 0)  # the kernel refuses it
    stage.fanout.moved(unreachable.listener)
    stage.o(0, 1, 2, 3)
    stage.d(0)
    assert reachable() == "o0 o1"
    for _ in range(2):
        assert stage.fanout.losses() == {"denoised_late": 1, "listener_unsent": 2}
        stage.fanout.leave(unreachable.listener)


# RTCP


def test_nack_is_answered_with_the_same_packet(stage: Stage) -> None:
    """A packet that a listener asks for is sent to it again unchanged, across the wrap of the sequence number, and to nobody else."""
    one, other = stage.listener("original"), stage.listener("original")
    numbers = list(range(65_530, 65_545))
    stage.o(*numbers)
    first = {packet.sequence: packet for packet in one.packets()}
    other.packets()
    asked = list(first)[3:9]
    sent: list[bytes] = []
    one.ear.send_rtp = sent.append  # type: ignore[method-assign, assignment]
    stage.fanout.rtcp(one.listener, [rtcp.Nack(1, SSRC, tuple(asked))])
    assert [rtp.parse(plain) for plain in sent] == [first[sequence] for sequence in asked]
    assert not other.packets() and stage.resends == ResendCounters(6, 0)


def test_resend_decrypts(stage: Stage) -> None:
    """A packet lost on the way decrypts when it is sent again, after others have come."""
    one = stage.listener("original")
    stage.o(0, 1)
    one.packets()
    stage.o(2)
    one.ear.socket.recv(2048)  # lost by the network
    stage.o(3, 4)
    stage.fanout.rtcp(one.listener, [rtcp.Nack(1, SSRC, (2,))])
    assert one() == "o3 o4 o2"


def test_nothing_else_is_sent_again(stage: Stage) -> None:
    """Packets never sent to this listener, too old ones, another stream's and floods are refused."""
    early = stage.listener("original")
    stage.o(*range(600))
    early.packets()
    late = stage.listener("original")
    stage.o(600)
    late.packets(), early.packets()
    for source, sequence in [(SSRC, 599), (SSRC, 601), (7, 600)]:
        stage.fanout.rtcp(late.listener, [rtcp.Nack(1, source, (sequence,))])
    stage.fanout.rtcp(early.listener, [rtcp.Nack(1, SSRC, (3, 549))])
    assert not late.packets() and not early.packets()
    stage.fanout.rtcp(early.listener, [rtcp.Nack(1, SSRC, tuple(range(550, 600)))] * 8)
    counted = ResendCounters(RESENDS_A_SECOND, 2 + 2 + 400 - RESENDS_A_SECOND)  # of both listeners
    assert stage.resends == counted
    stage.fanout.leave(early.listener)
    assert stage.resends == counted


def test_nothing_is_sent_again_after_a_second(stage: Stage) -> None:
    """A packet that arrived more than a second ago is not sent again, even if it is the newest."""
    one = stage.listener("original")
    stage.o(0, 1)
    one.packets()
    for ms, resent in ((1000, 2), (1001, 3), (1020, 4), (1021, 4)):
        stage.at(ms)
        stage.fanout.rtcp(one.listener, [rtcp.Nack(1, SSRC, (0, 1))])
        assert stage.resends.resent == resent


def test_what_was_sent_before_a_switch_is_sent_again_as_it_was(stage: Stage) -> None:
    """After a change of variant a number is sent again with the bytes that this listener got: others would reveal the key stream."""
    stage.fanout.follow(True, True)
    one, stay = stage.listener("auto"), stage.listener("denoised")
    stage.o(0, 1, 2)
    stage.d(0)
    stage.fanout.choose(one.listener, "denoised")
    stage.d(1)
    one(), stay()
    sent: list[bytes] = []
    one.ear.send_rtp = sent.append  # type: ignore[method-assign, assignment]
    stage.fanout.choose(one.listener, "original")
    stage.d(2)
    stage.fanout.rtcp(one.listener, [rtcp.Nack(1, SSRC, (0, 1, 2))])
    assert [rtp.parse(plain).payload for plain in sent] == [b"d0", b"d1", b"o2"]


def test_packets_in_flight_are_sent_again_after_a_change_of_redundancy(stage: Stage) -> None:
    """After a report has raised the redundancy, packets sent before it can still be asked for."""
    one, stay = stage.listener("original", red_pt=63), stage.listener("original", red_pt=63)
    stage.o(0, 1, 2)
    first = [one.packets(), stay.packets()][0]
    stage.fanout.rtcp(one.listener, [rtcp.ReceiverReport(1, (rtcp.Report(SSRC, 80, 0, 0, 0),))])
    stage.o(3)
    assert [block.payload for block in red.parse(one.packets()[0].payload)] == [b"o2", b"o3"]
    sent: list[bytes] = []
    one.ear.send_rtp = sent.append  # type: ignore[method-assign, assignment]
    stage.fanout.rtcp(one.listener, [rtcp.Nack(1, SSRC, (1, 2))])
    assert one.listener.redundancy == 2 and [rtp.parse(plain) for plain in sent] == first[1:]


def test_sender_reports(stage: Stage) -> None:
    """A listener gets a sender report soon after joining and every five seconds, with the right time stamp and packet count."""
    one = stage.listener("original")
    reports: list[tuple[int, rtcp.SenderReport]] = []
    for n in range(510):
        stage.o(n)
        reports += [(n, each) for each in one.ear.hear()[1] if isinstance(each, rtcp.SenderReport)]
    assert [n for n, _ in reports] == [2, 252, 502]
    for n, report in reports:
        assert report.ssrc == SSRC and report.timestamp == (960 * n + BASE) & 0xFFFFFFFF
        assert report.packets == n + 1
    (_, first), (_, last) = reports[0], reports[-1]
    assert last.ntp >= first.ntp


def test_reports_of_listeners(stage: Stage) -> None:
    """The worst loss of listeners without RED is known for each variant, until the report is old or the listener has left."""
    one, other, repaired = stage.listener("auto"), stage.listener("original"), stage.listener("auto", red_pt=63)

    def worst() -> tuple[float, float]:
        return stage.fanout.worst_loss(denoised=False), stage.fanout.worst_loss(denoised=True)

    assert worst() == (0, 0)
    for heard, fraction in ((one, 64), (other, 128), (repaired, 192)):
        report = rtcp.Report(SSRC, fraction, 0, 0, 480)
        stage.fanout.rtcp(heard.listener, [rtcp.ReceiverReport(1, (rtcp.Report(9, 255, 0, 0, 0), report))])
    assert worst() == (0.5, 0) and one.listener.loss == 0.25 and one.listener.jitter_ms == 10
    stage.fanout.follow(True, True)
    assert worst() == (0.5, 0.25)
    stage.fanout.leave(other.listener)
    assert worst() == (0, 0.25)
    stage.at(7000)
    assert worst() == (0, 0)


# any sequence of events


@given(seed=some.integers(0, 2**32), loss=some.floats(0, 0.3), slow_ms=some.integers(0, 60), chances=some.floats(0, 0.2))
def test_any_evening(seed: int, loss: float, slow_ms: int, chances: float) -> None:
    """With toggles, worker deaths and choices of variant at any time, every listener gets each number at most once, in order,
    with one time stamp a number, and `auto` listeners miss only what was lost and not concealed."""
    dice = random.Random(seed)
    now_ns, on, alive = 0, True, True
    fanout = Fanout(SSRC, 0, clock_ns=lambda: now_ns, call_at=lambda at_s, ring: Timer())
    fanout.hold(HOLD)
    fanout.follow(on, alive)
    with ExitStack() as opened:
        sender = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        ears = [opened.enter_context(Ear(sender)) for _ in range(4)]
        listeners = [
            Listener(cast(Peer, ear), variant) for ear, variant in zip(ears, ("auto", "auto", "denoised", "original"), strict=True)
        ]
        for listener in listeners:
            fanout.join(listener)
        events = [(20.0 * n, "o", n) for n in range(80) if n == 0 or dice.random() >= loss]
        sent = [n for _, _, n in events]
        events += [(20 * n + 50 + dice.random() * slow_ms, "d", n) for n in range(77) if dice.random() < 0.95]
        for ms, what, n in sorted(events):
            now_ns = int(ms * MS)
            fanout.tick(now_ns)
            if dice.random() < chances:
                fanout.choose(dice.choice(listeners[1:]), dice.choice(("auto", "denoised", "original")))
            if dice.random() < chances:
                on, alive = dice.random() < 0.5, dice.random() < 0.5
                fanout.follow(on, alive)
            packet = Packet(n, 960 * n, 960, now_ns, what.encode())
            fanout.original(packet) if what == "o" else fanout.denoised(packet)
        fanout.flush()
        heard: dict[Listener, list[int]] = {}
        for ear, listener in zip(ears, listeners, strict=True):
            packets, _ = ear.hear()
            assert all(packet.timestamp == 960 * packet.sequence for packet in packets)
            heard[listener] = [packet.sequence for packet in packets]
            assert (listener.sent, listener.dropped, ear.refused) == (len(packets), 0, 0)
        fanout.close()
    for numbers in heard.values():
        assert numbers == sorted(set(numbers))
    assert set(sent) <= set(heard[listeners[0]])
    for listener in listeners[1:3]:
        assert set(sent) <= set(heard[listener]) or listener.variant == "original"
    assert set(heard[listeners[3]]) >= set(sent)
