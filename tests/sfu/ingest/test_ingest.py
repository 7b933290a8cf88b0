"""A broadcaster's packets in order, on one time line. The clock is a test's own; everything else is real."""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sfu.ingest.ingest import Ingest
from sfu.ingest.reorder_buffer import MAX_SPAN, REORDER_WAIT_NS, ReorderBuffer
from sfu.standstill import SETTLES_NS, StandstillDetector
from sfu.wire import red, rtcp
from sfu.wire.rtp import RtpPacket
from sfu.wire.sdp import Audio
from workers.link.ring import Flag, Packet

MS = 1_000_000
OPUS, OTHER, RED = 111, 109, 63
VOICE = bytes([0xFC])  # CELT, 20 ms, mono


class Timer:
    """What `loop.call_at` gives."""

    def __init__(self, at_s: float, ring: Callable[[], None]) -> None:
        self.at_s, self.ring, self.cancelled = at_s, ring, False

    def cancel(self) -> None:
        self.cancelled = True


class Rig:
    """An ingest on a clock that only `at` moves; timers ring as it passes them."""

    def __init__(
        self, nack: bool = True, red_pt: int | None = RED, reorder_ms: int = 40, standstill: StandstillDetector | None = None
    ) -> None:
        self.now_ns = 1
        self.out: list[Packet] = []
        self.told: list[rtcp.Rtcp] = []
        self.timers: list[Timer] = []
        self.ingest = Ingest(reorder_ms, self.out.append, lambda: self.now_ns, self._call_at, standstill)
        self.audio = Audio("0", OPUS, red_pt=red_pt, nack=nack, more_opus_pts=(OTHER,))
        self.attach()

    def attach(self) -> None:
        self.ingest.attach(self.audio, lambda packet: self.told.extend(rtcp.parse(packet)))

    def _call_at(self, at_s: float, ring: Callable[[], None]) -> Timer:
        self.timers.append(Timer(at_s, ring))
        return self.timers[-1]

    def at(self, ms: float) -> "Rig":
        goal_ns = int(ms * MS) + 1
        while due := [timer for timer in self.timers if not timer.cancelled and timer.at_s * 1e9 <= goal_ns]:
            timer = min(due, key=lambda each: each.at_s)
            self.timers.remove(timer)
            self.now_ns = max(self.now_ns, int(timer.at_s * 1e9))
            timer.ring()
        self.now_ns = goal_ns
        return self

    def send(
        self,
        n: int,
        ms: float | None = None,
        *,
        base: int = 0,
        ssrc: int = 7,
        rtp: int | None = None,
        pt: int = OPUS,
        payload: bytes | None = None,
    ) -> None:
        """Packet n of a stream of 20 ms packets, at its own time unless `ms` says another."""
        self.at(20 * n if ms is None else ms)
        timestamp = (960 * n if rtp is None else rtp) & 0xFFFFFFFF
        body = VOICE + n.to_bytes(4, "big") if payload is None else payload
        self.ingest.receive(RtpPacket(pt, False, base + n & 0xFFFF, timestamp, ssrc, body), self.now_ns)

    @property
    def sent(self) -> list[int]:
        """Which packets came out, by what is in them."""
        return [int.from_bytes(packet.payload[1:], "big") for packet in self.out]

    @property
    def numbers(self) -> list[int]:
        return [packet.number for packet in self.out]

    @property
    def times(self) -> list[int]:
        return [packet.time for packet in self.out]

    def nacks(self) -> list[tuple[int, ...]]:
        return [packet.sequences for packet in self.told if isinstance(packet, rtcp.Nack)]

    def reports(self) -> list[rtcp.Report]:
        return [report for packet in self.told if isinstance(packet, rtcp.ReceiverReport) for report in packet.reports]


def test_the_last_word_behind_a_gap_is_delivered() -> None:
    """What waits for a lost packet when the broadcaster stops is delivered in order, once; no timer is left."""
    rig = Rig()
    for n in (0, 1, 2, 4, 5):
        rig.send(n)
    assert rig.sent == [0, 1, 2]
    rig.ingest.close()
    rig.ingest.close()
    assert rig.sent == [0, 1, 2, 4, 5] and rig.numbers == [0, 1, 2, 4, 5] and rig.ingest.lost == 1
    assert all(timer.cancelled for timer in rig.timers)


def test_what_waited_through_a_standstill_is_not_heard_late() -> None:
    """Of 20 s that waited in the sockets the last 200 ms are delivered, at their own time; earlier packets are not asked for again."""
    standstill = StandstillDetector()
    rig = Rig(standstill=standstill)
    for n in range(50):
        rig.send(n)
    rig.at(20_980)
    standstill.ended_ns, standstill.settled_ns = rig.now_ns, rig.now_ns + SETTLES_NS
    for n in range(50, 1050):
        rig.send(n, 20_980)
    rig.send(1050, 21_000)
    kept = rig.sent[50:]
    assert kept == list(range(1051 - len(kept), 1051)) and 8 <= len(kept) <= 12
    assert rig.times == [960 * n for n in rig.sent] and rig.numbers == list(range(len(rig.sent)))
    assert rig.ingest.stale == rig.ingest.dropped == 1001 - len(kept) == rig.ingest.losses()["stale"]
    assert not rig.nacks() and rig.ingest.lost == 0
    for n in range(1051, 1300):
        rig.send(n)
    assert rig.sent[-1] == 1299 and rig.ingest.stale == 1001 - len(kept)


# order


def test_in_order_is_straight_on() -> None:
    """A packet in order is delivered before receive returns, and starts no timer."""
    rig = Rig()
    for n in range(5):
        rig.send(n)
        assert rig.sent == list(range(n + 1))
    assert rig.numbers == [0, 1, 2, 3, 4]
    assert rig.times == [0, 960, 1920, 2880, 3840]
    assert not rig.timers and not rig.nacks()


@pytest.mark.parametrize("base", [0, 65_530, 32_766])
def test_gap_is_asked_for_and_filled(base: int) -> None:
    """A missing packet is asked for at once, later ones wait, and its retransmission releases them; also across a wrap of the numbers."""
    rig = Rig()
    for n in (0, 1, 2, 3, 4, 7):
        rig.send(n, base=base)
    assert rig.sent == [0, 1, 2, 3, 4]
    assert rig.nacks() == [((base + 5) & 0xFFFF, (base + 6) & 0xFFFF)]
    rig.send(6, 150, base=base)
    rig.send(5, 155, base=base)
    rig.send(8, base=base)
    assert rig.sent == list(range(9))
    assert rig.numbers == list(range(9)) and rig.ingest.lost == 0


def test_gap_waits_no_longer_than_asked() -> None:
    """After 40 ms from its discovery a gap is lost: its number is left out, time goes on, and it was asked for twice."""
    rig = Rig()
    rig.send(0)
    rig.send(2)
    rig.at(79)
    assert rig.sent == [0]
    rig.at(81)
    assert rig.sent == [0, 2] and rig.numbers == [0, 2] and rig.times == [0, 1920]
    assert rig.ingest.lost == 1
    assert rig.nacks() == [(1,), (1,)]


def test_a_far_jump_is_as_little_work_as_a_near_one() -> None:
    """Jumps of thousands of numbers with every packet take no more time than jumps of hundreds."""
    near, far = map(min, zip(*((_took_jumping(290), _took_jumping(2900)) for _ in range(5)), strict=True))
    assert far < 4 * near, (near, far)


def _took_jumping(step: int) -> float:
    """Seconds of this thread's own: what others do with the machine does not count."""
    order: ReorderBuffer[int] = ReorderBuffer(40 * MS)
    began = time.thread_time()
    for n in range(50):
        order.put(n * step & 0xFFFF, n, n * MS)
    took_s = time.thread_time() - began
    assert len(order.flush()) <= 1 + MAX_SPAN and order.lost == 49 * (step - 1)
    return took_s


def test_a_flood_is_cut_down_to_twice_its_time() -> None:
    """Of sound that comes a hundred times too fast, ten seconds and twice the passed time are delivered; afterwards nothing is dropped."""
    rig = Rig()
    for n in range(5000):
        rig.send(n, ms=n / 5)
    assert len(rig.out) == pytest.approx(500 + 2 * 50, abs=2)
    assert rig.ingest.dropped == 5000 - len(rig.out) and rig.ingest.lost == 0
    assert rig.out[-1].time < 48_000 * 13
    heard = len(rig.out)
    for n in range(5000, 5100):
        rig.send(n, ms=1000 + 20 * (n - 5000))
    assert len(rig.out) == heard + 100


def test_nothing_is_asked_for_without_nack() -> None:
    """A broadcaster that did not negotiate NACK is not asked; the gap is still waited for, it may be reordering."""
    rig = Rig(nack=False)
    rig.send(0)
    rig.send(2)
    rig.send(1, 45)
    assert rig.sent == [0, 1, 2] and not rig.nacks()


def lose_every_tenth(rig: Rig, first: int, count: int, answer_ms: float | None) -> float:
    """Send `count` packets from `first` on; every tenth comes `answer_ms` after it was missed, or never. The last gap's wait in ms."""
    waited_ms = 0.0
    for n in range(first, first + count):
        if n % 10 != 5:
            rig.send(n, max(20 * n, rig.now_ns / MS))
            continue
        rig.send(n + 1, 20 * (n + 1))
        while rig.ingest._reorder_buffer._held and (answer_ms is None or waited_ms < answer_ms):
            rig.at(rig.now_ns / MS + 1)
            waited_ms = (rig.now_ns - 1) / MS - 20 * (n + 1)
        if answer_ms is not None:
            rig.send(n, 20 * (n + 1) + answer_ms)
    return waited_ms


def test_waiting_that_brings_nothing_is_cut_short() -> None:
    """Where retransmissions never come, or come too late, gaps soon wait for 10 ms only; once they come in time, for 40 ms again."""
    for too_late in (None, 60):
        rig = Rig()
        assert lose_every_tenth(rig, 0, 10, too_late) >= 40
        lose_every_tenth(rig, 10, 200, too_late)
        assert rig.ingest._reorder_buffer.wait_ns == REORDER_WAIT_NS
        lost = rig.ingest.lost
        lose_every_tenth(rig, 210, 100, 25)
        assert rig.ingest._reorder_buffer.wait_ns == 40 * MS and rig.ingest.lost - lost <= 5


def test_one_outage_does_not_end_the_waiting() -> None:
    """An outage of two seconds counts as one gap that was not filled, not as a hundred."""
    rig = Rig()
    rig.send(0)
    rig.send(101)
    rig.at(3000)
    assert rig.ingest.lost == 100 and rig.ingest._reorder_buffer.wait_ns == 40 * MS


def test_after_an_outage_only_the_newest_are_asked_for() -> None:
    """Of an outage of 1.2 s the last 200 ms are asked for; earlier packets that come all the same are late, and dropped."""
    rig = Rig()
    rig.send(0)
    rig.send(60, 1200)
    assert rig.nacks() == [tuple(range(50, 60))] and rig.ingest.lost == 49
    for n in range(1, 60):
        rig.send(n, 1220)
    assert rig.sent == [0, *range(50, 61)] and rig.ingest.late == 49


def test_after_a_silence_what_is_missing_is_asked_for() -> None:
    """After a silence of a second (DTX) a few missing packets are asked for however old they may be, so that the first word is whole."""
    rig = Rig()
    rig.send(0)
    rig.send(3, 1000, rtp=48_000)
    assert rig.nacks() == [(1, 2)] and rig.ingest.lost == 0


def test_each_gap_has_its_own_time() -> None:
    """A second gap is waited for from its own discovery, not from the first one's."""
    rig = Rig()
    rig.send(0)
    rig.send(2, 40)
    rig.send(4, 70)
    rig.at(81)
    assert rig.sent == [0, 2]
    rig.at(109)
    assert rig.sent == [0, 2]
    rig.at(111)
    assert rig.sent == [0, 2, 4] and rig.ingest.lost == 2


def test_late_and_duplicates_are_counted_and_dropped() -> None:
    """A packet that was given up before it comes is late; one that came before is a duplicate, whether delivered or still held."""
    rig = Rig()
    rig.send(0)
    rig.send(2, 40)
    rig.send(2, 45)
    rig.at(100)
    rig.send(1, 101)
    rig.send(0, 102)
    assert rig.sent == [0, 2]
    assert (rig.ingest.late, rig.ingest.duplicates, rig.ingest.lost) == (1, 2, 1)


def test_reorder_buffer_is_bounded() -> None:
    """A packet more than 64 ahead of the gap ends the waiting for the gap's beginning at once."""
    rig = Rig(reorder_ms=10_000)
    rig.send(0)
    for n in range(2, 65):
        rig.send(n)
    assert rig.sent == [0]
    rig.send(65)
    assert rig.sent == [0, *range(2, 66)] and rig.ingest.lost == 1


def test_long_burst_leaves_a_hole_of_its_size() -> None:
    """Two seconds lost are a hundred numbers and two seconds of time left out."""
    rig = Rig()
    rig.send(0)
    rig.send(101)
    rig.at(2100)
    assert rig.numbers == [0, 101] and rig.times == [0, 101 * 960] and rig.ingest.lost == 100
    assert not rig.out[1].flags


def test_padding_makes_no_hole() -> None:
    """Packets of padding only, and such of a payload type that is no Opus, take no number."""
    rig = Rig()
    rig.send(0)
    rig.send(1, payload=b"")
    rig.send(2, pt=126, payload=b"1234")
    rig.send(3)
    assert rig.sent == [0, 3] and rig.numbers == [0, 1] and rig.times == [0, 2880]
    assert rig.ingest.lost == 0 and rig.ingest.dropped == 1


def test_dtx_is_kept() -> None:
    """Where the sender was silent, time advances by more than the samples, and the numbers have no hole."""
    rig = Rig()
    rig.send(0)
    rig.send(1, 400, rtp=19_200)
    assert rig.numbers == [0, 1] and rig.times == [0, 19_200] and not rig.out[1].flags


@pytest.mark.parametrize("payload, samples", [(b"\xf0xx", 480), (b"\xfcxx", 960), (b"\x1bxx", 0), (b"\xfb\x06" + b"x" * 6, 5760)])
def test_samples_come_from_the_toc(payload: bytes, samples: int) -> None:
    """A packet lasts as long as its TOC byte says; one that says nothing sensible is dropped."""
    rig = Rig()
    rig.send(0, payload=payload)
    assert [packet.samples for packet in rig.out] == ([samples] if samples else [])
    assert rig.ingest.dropped == (not samples)


# RED


def with_red(n: int, *back: int) -> bytes:
    """A RED packet of packet n with earlier ones in it, oldest first."""
    return red.build(OPUS, VOICE + n.to_bytes(4, "big"), [(960 * (n - k), VOICE + k.to_bytes(4, "big")) for k in back])


def test_red_fills_gaps_without_waiting() -> None:
    """A lost packet is recovered from the next RED packets, with its own number and time, without delay."""
    rig = Rig()
    rig.send(0, pt=RED, payload=with_red(0))
    rig.send(2, pt=RED, payload=with_red(2, 1))
    rig.send(5, pt=RED, payload=with_red(5, 3, 4))
    assert rig.sent == [0, 1, 2, 3, 4, 5]
    assert rig.numbers == list(range(6)) and rig.times == [960 * n for n in range(6)]
    assert rig.ingest.recovered == 3 and rig.ingest.lost == 0 and not rig.nacks()


def test_red_of_what_is_there_changes_nothing() -> None:
    """The earlier blocks of a RED packet are no duplicates when nothing was lost."""
    rig = Rig()
    for n in range(4):
        rig.send(n, pt=RED, payload=with_red(n, *range(max(0, n - 2), n)))
    assert rig.sent == [0, 1, 2, 3] and rig.ingest.duplicates == 0 and rig.ingest.recovered == 0


def test_broken_red_is_dropped() -> None:
    """A RED packet that cannot be parsed, or has no Opus in it, is counted and leaves no hole."""
    rig = Rig()
    rig.send(0)
    rig.send(1, pt=RED, payload=b"\xff\xff")
    rig.send(2, pt=RED, payload=red.build(96, VOICE))
    rig.send(3)
    assert rig.sent == [0, 3] and rig.numbers == [0, 1] and rig.ingest.dropped == 2


# one time line


def test_new_ssrc_goes_on_by_arrival() -> None:
    """Another SSRC with another clock and numbering continues where its arrival says, rounded to 960, flagged as a jump."""
    rig = Rig()
    rig.send(0)
    rig.send(1)
    rig.send(0, 95, ssrc=8, base=40_000, rtp=123_456)
    rig.send(1, 115, ssrc=8, base=40_000, rtp=124_416)
    assert rig.numbers == [0, 1, 2, 3]
    assert rig.times == [0, 960, 4800, 5760]  # 95 ms are 4560 samples
    assert [bool(packet.flags & Flag.JUMP) for packet in rig.out] == [False, False, True, False]


def test_replaced_ssrc_stays_out() -> None:
    """Late packets of the old SSRC do not bring it back at once; long after, it may come back."""
    rig = Rig()
    rig.send(0)
    rig.send(0, 40, ssrc=8)
    rig.send(1, 60, ssrc=7)
    assert len(rig.out) == 2 and rig.ingest.dropped == 1
    rig.send(2, 5000, ssrc=7)
    assert len(rig.out) == 3


def test_video_that_was_refused_is_not_the_source() -> None:
    """Packets of another payload type under an SSRC of their own are dropped, before the voice and in between; it loses nothing."""
    rig = Rig()
    for n in range(250):
        rig.send(n, ssrc=8, base=40_000, pt=96)
        rig.send(n)
    assert rig.sent == list(range(250)) and rig.times == [960 * n for n in range(250)]
    assert not any(packet.flags & Flag.JUMP for packet in rig.out[1:])
    assert rig.ingest.dropped == 250 and rig.ingest.lost == 0


def test_any_agreed_payload_type_is_the_voice() -> None:
    """A broadcaster that changes to another payload type of Opus is heard on, in RED and under a new SSRC too; another is counted."""
    rig = Rig()
    for n in range(40):
        rig.send(n, pt=OTHER if n % 2 else OPUS)
    rig.send(40, pt=RED, payload=red.build(OTHER, VOICE))
    rig.send(42, pt=RED, payload=red.build(OTHER, VOICE, [(960, VOICE)]))
    assert rig.numbers == list(range(43)) and rig.ingest.recovered == 1 and rig.ingest.dropped == 0
    rig.send(43, ssrc=8, pt=OTHER)
    rig.send(44, ssrc=8, pt=96)
    assert rig.numbers == list(range(44)) and rig.ingest.losses()["not_agreed"] == 1


def test_whatever_goes_nowhere_is_counted_by_reason() -> None:
    """Each packet that is not passed on raises one figure by one; padding, which is no sound, none."""
    rig = Rig()
    rig.send(0)
    losses = dict.fromkeys(rig.ingest.losses(), 0)
    for reason, packet in {
        "not_agreed": {"n": 1, "pt": 96},
        "no_opus": {"n": 2, "payload": b"\xff\xff\xff"},
        "duplicate": {"n": 0, "ms": 50},
        "": {"n": 3, "payload": b""},
    }.items():
        rig.send(**packet)  # type: ignore[arg-type]
        losses |= {reason: 1} if reason else {}
        assert rig.ingest.losses() == losses and len(rig.out) == 1
    rig.send(4, ssrc=8)
    rig.send(5, ssrc=7)
    rig.send(5, pt=RED, payload=b"\x80", ssrc=8)
    assert rig.ingest.losses() == losses | {"replaced_source": 1, "no_opus": 2}


def test_reconnection_goes_on() -> None:
    """A new peer goes on with numbers and time, even with the same SSRC and numbering; what the old one owed is given up."""
    rig = Rig()
    rig.send(0)
    rig.send(2)
    rig.attach()
    assert rig.sent == [0, 2]
    rig.send(0, 3000)
    assert rig.numbers == [0, 2, 3] and rig.times == [0, 1920, 144_000]
    assert rig.out[-1].flags & Flag.JUMP


def test_time_never_overlaps() -> None:
    """Where the time by arrival is before the end of the old stream, the new one begins at that end."""
    rig = Rig()
    for n in range(10):
        rig.send(n, 0)
    rig.send(0, 20, ssrc=8)
    assert rig.times[-1] == 9600


@pytest.mark.parametrize("jump", [48_000 * 3600, -48_000 * 3600, 2**31, -48_000 * 2])
def test_arrival_wins_over_a_mad_clock(jump: int) -> None:
    """A time stamp more than 10 s away from arrival, or one that steps back, is placed by its arrival and flagged as a jump."""
    rig = Rig()
    for n in range(5):
        rig.send(n)
    for n in range(5, 8):
        rig.send(n, rtp=960 * n + jump)
    assert rig.numbers == list(range(8)) and rig.times == [960 * n for n in range(8)]
    assert [n for n, packet in enumerate(rig.out) if packet.flags & Flag.JUMP] == [5]


def test_nobody_gets_ahead_of_time() -> None:
    """A clock that leaps by nine seconds with every packet gains ten seconds once, and no more."""
    rig = Rig()
    for n in range(100):
        rig.send(n, rtp=9 * 48_000 * n, ssrc=7 + n // 2)
    assert rig.times[-1] <= 99 * 960 + 480_000 + 100 * 1920 and len(rig.out) == 100


def test_smaller_steps_are_believed() -> None:
    """An RTP clock nine seconds ahead of the wall clock is trusted."""
    rig = Rig()
    rig.send(0)
    rig.send(1, rtp=9 * 48_000)
    assert rig.times == [0, 9 * 48_000] and not rig.out[1].flags


@pytest.mark.parametrize("toc, samples", [(0x58, 2880), (0x50, 1920), (0x5A, 5760)])
def test_rubbish_that_claims_to_be_long_shifts_nothing(toc: int, samples: int) -> None:
    """A malformed packet keeps the duration it claims, packets inside it are counted as covered, and those after it have their own time."""
    rig = Rig()
    for n in range(20):
        rig.send(n, payload=bytes([toc]) + b"rubbish." if n == 5 else None)
    hidden = samples // 960 - 1
    assert rig.times == [960 * n for n in range(20) if not 5 < n <= 5 + hidden]
    assert rig.numbers == list(range(20 - hidden)) and not any(packet.flags for packet in rig.out)
    assert rig.ingest.losses() == dict.fromkeys(rig.ingest.losses(), 0) | {"covered": hidden}


def test_longer_packets_than_their_clock_has_room_for_are_not_covered_for_ever() -> None:
    """A sender whose clock is three times too slow for its sound at first loses covered packets; then its packets are placed by arrival."""
    rig = Rig()
    for n in range(4):
        rig.send(n)
    for n in range(4, 24):
        rig.send(n, payload=bytes([0x58]) + b"sixty ms")
    assert rig.ingest.losses()["covered"] == 2
    assert all(later.time >= earlier.time + earlier.samples for earlier, later in zip(rig.out, rig.out[1:], strict=False))


def test_a_clock_that_stands_still_is_not_covered_for_ever() -> None:
    """A clock that stands still inside a long claimed duration loses packets for a second, and no longer."""
    rig = Rig()
    rig.send(0)
    rig.send(1, payload=bytes([0x5A]) + b"rubbish.")
    for n in range(2, 102):
        rig.send(n, rtp=1920)
    assert 40 <= rig.ingest.losses()["covered"] <= 60 and rig.times[-1] >= 960 * 100


def test_rounded_time_stamps_are_no_silence() -> None:
    """Senders that round by a sample or two make no gaps and no jumps."""
    rig = Rig()
    for n, off in enumerate([0, 1, -1, 2, 0, -2, 1]):
        rig.send(n, rtp=960 * n + off)
    assert rig.times == [960 * n for n in range(7)] and not any(packet.flags for packet in rig.out)


def test_leap_of_the_sequence_is_a_new_numbering() -> None:
    """A leap of 20,000 sequences is no loss: the numbers go on."""
    rig = Rig()
    rig.send(0)
    rig.send(1, base=20_000)
    rig.send(2, base=20_000)
    assert rig.numbers == [0, 1, 2] and rig.ingest.lost == 0


def test_numbering_from_anew() -> None:
    """A sender that restarts its numbers a little lower is heard again after 50 late packets."""
    rig = Rig()
    for n in range(100, 110):
        rig.send(n)
    for n in range(110, 200):
        rig.send(n, base=-80)
    assert rig.sent[-1] == 199 and rig.ingest.lost == 0
    assert rig.numbers == list(range(len(rig.out)))


# what the broadcaster is told


def test_reports_every_second() -> None:
    """Once a second the broadcaster hears its loss, highest sequence, jitter and the echo of its last report."""
    rig = Rig(nack=False)
    for n in range(52):
        if n % 4:
            rig.send(n)
        if n == 26:
            rig.ingest.rtcp([rtcp.SenderReport(7, 0x1111_2222_3333_4444, 0, 0, 0)])
    report = rig.reports()[-1]
    assert report.ssrc == 7 and report.highest == 51 and report.lost == 12
    assert abs(report.fraction_lost / 256 - 0.25) < 0.02
    assert report.last_sr == 0x2222_3333 and abs(report.since_sr / 65536 - 0.5) < 0.03


def test_loss_that_was_repaired_is_not_told() -> None:
    """A retransmission in time is no loss; one that is too late is a loss, though the RFC would count it as received."""
    rig = Rig()
    for n in range(60):
        if n % 5 == 0:
            rig.send(n + 1, 20 * (n + 1))
            rig.send(n, 20 * (n + 1) + 5)
        elif n % 5 > 1:
            rig.send(n)
    assert rig.reports()[-1].fraction_lost == 0 and rig.ingest.lost == 0
    for n in range(60, 120):
        if n % 5:
            rig.send(n)
        if n % 5 == 4:
            rig.send(n - 4, 20 * n + 10)
    assert abs(rig.reports()[-1].fraction_lost / 256 - 0.2) < 0.06 and rig.reports()[-1].lost < 3


def test_listeners_loss_is_told_too() -> None:
    """The worst listener's loss is reported where it is worse than the broadcaster's own."""
    rig = Rig()
    rig.ingest.listener_loss = 0.5
    for n in range(60):
        rig.send(n)
    assert rig.reports()[-1].fraction_lost == 128


def test_jitter_is_that_of_the_rfc() -> None:
    """A stream that is 5 ms late every other time has a jitter of 240 samples."""
    rig = Rig()
    for n in range(300):
        rig.send(n, 20 * n + 5 * (n % 2))
    assert 230 <= rig.reports()[-1].jitter <= 245


def test_closed_ingest_delivers_nothing() -> None:
    """After close no timer is left and no packet that comes then is delivered."""
    rig = Rig()
    rig.send(0)
    rig.send(2)
    rig.ingest.close()
    rig.ingest.close()
    assert all(timer.cancelled for timer in rig.timers)
    rig.send(3)
    assert rig.sent == [0, 2]


# any link


@given(
    seed=some.integers(0, 2**32),
    loss=some.floats(0, 0.5),
    jitter_ms=some.integers(0, 200),
    twice=some.floats(0, 0.2),
    base=some.integers(0, 65_535),
)
def test_any_link(seed: int, loss: float, jitter_ms: int, twice: float, base: int) -> None:
    """Whatever a link loses, delays and doubles: numbers and times rise, nothing comes twice, and every number fits its time."""
    dice = random.Random(seed)
    arrivals = []
    for n in range(120):
        for _ in range(1 + (dice.random() < twice)):
            if n == 0 or dice.random() >= loss:
                arrivals.append((20 * n + (dice.random() * jitter_ms if n else 0), n))
    rig = Rig()
    for ms, n in sorted(arrivals):
        rig.send(n, ms, base=base)
    rig.at(10_000)
    assert rig.numbers == rig.sent
    assert all(later > earlier for earlier, later in zip(rig.numbers, rig.numbers[1:], strict=False))
    assert rig.times == [960 * n for n in rig.numbers]
    assert rig.ingest.lost == rig.numbers[-1] + 1 - len(rig.numbers)
    assert rig.ingest.received == len(rig.out) + rig.ingest.late + rig.ingest.duplicates


@given(
    some.lists(
        some.tuples(
            some.builds(
                RtpPacket,
                some.sampled_from((OPUS, RED, 0, 127)),
                some.booleans(),
                some.integers(0, 65_535),
                some.integers(0, 2**32 - 1),
                some.integers(1, 3),
                some.binary(max_size=12) | some.just(VOICE * 40) | some.just(bytes(1600)),
            ),
            some.integers(0, 3000),
        ),
        max_size=60,
    )
)
def test_any_packets(packets: list[tuple[RtpPacket, int]]) -> None:
    """Whatever an authentic peer sends, numbers and times rise and nothing raises."""
    rig = Rig()
    ms = 0
    for packet, wait_ms in packets:
        ms += wait_ms
        rig.at(ms)
        rig.ingest.receive(packet, rig.now_ns)
    rig.at(ms + 1000)
    rig.ingest.flush()
    assert all(later > earlier for earlier, later in zip(rig.numbers, rig.numbers[1:], strict=False))
    assert all(later.time >= earlier.time + earlier.samples for earlier, later in zip(rig.out, rig.out[1:], strict=False))
    assert not rig.out or rig.times[-1] <= 48 * (ms + 1000) + 480_000 + sum(packet.samples + 960 for packet in rig.out)


def test_a_time_line_that_another_run_began_goes_on() -> None:
    """After `resume` the first packet is placed by its arrival, from the time line's position, and later ones by their clock."""
    rig = Rig()
    rig.ingest.resume(1_000_000)
    assert rig.ingest.samples == 0
    for n in range(3):
        rig.send(n, 500 + 20 * n)
    expected = -(-1_000_000 // 960) * 960 + 25 * 960
    assert [(packet.number, packet.flags) for packet in rig.out] == [(0, Flag.JUMP), (1, 0), (2, 0)]
    assert [packet.time - rig.out[0].time for packet in rig.out] == [0, 960, 1920] and abs(rig.out[0].time - expected) <= 960
    rig.attach()
    rig.send(3, 900, ssrc=9, rtp=5)
    assert abs(rig.out[-1].time - 1_000_000 - 43_200) <= 960
