"""Packets through shared memory."""

import os
import time
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workers.link import ring as ring_module
from workers.link.bell import Bell
from workers.link.ring import MAX_PAYLOAD, Flag, Packet, Ring

SLOTS = 5
_LEVELS = some.floats(width=32, allow_nan=False, allow_subnormal=False)  # ONNX Runtime flushes them in the tests beside
_PACKETS = some.builds(
    Packet,
    number=some.integers(0, 2**60),
    time=some.integers(-(2**60), 2**60),
    samples=some.integers(0, 5760),
    arrival_ns=some.integers(0, 2**62),
    payload=some.binary(max_size=MAX_PAYLOAD),
    original_dbfs=_LEVELS,
    denoised_dbfs=_LEVELS,
    flags=some.integers(0, 15),
)


def packet(number: int) -> Packet:
    return Packet(number, number * 960, 960, time.monotonic_ns(), b"x" * (number % 100))


@given(_PACKETS)
def test_whole(sent: Packet) -> None:
    """A packet comes out with every field as it went in."""
    with Ring.create(2) as ring:
        assert ring.put(sent)
        assert ring.take() == sent
        assert ring.take() is None


class Twin(RuleBasedStateMachine):
    """A ring and its other end behave as a bounded deque with counters."""

    def __init__(self) -> None:
        super().__init__()
        self.writer = Ring.create(SLOTS, max_delay_ms=1e9)
        self.reader = Ring.attach(os.dup(self.writer.fd), max_delay_ms=1e9)
        self.model: deque[Packet] = deque()
        self.written = self.dropped = 0

    @rule(sent=_PACKETS)
    def put(self, sent: Packet) -> None:
        room = len(self.model) < SLOTS
        assert self.writer.put(sent) is room
        if room:
            self.model.append(sent)
            self.written += 1
        else:
            self.dropped += 1

    @rule()
    def take(self) -> None:
        assert self.reader.take() == (self.model.popleft() if self.model else None)

    @precondition(lambda self: self.model)
    @rule()
    def take_all(self) -> None:
        with Bell.create() as bell:
            bell.ring(len(self.model))
            assert list(self.reader.take_all(bell)) == list(self.model)
        self.model.clear()

    @invariant()
    def counted(self) -> None:
        for end in (self.writer, self.reader):
            assert (end.written, end.dropped, end.skipped) == (self.written, self.dropped, 0)
            assert end.read == self.written - len(self.model)

    def teardown(self) -> None:
        self.writer.close()
        self.reader.close()


TestTwin = Twin.TestCase


def test_full() -> None:
    """A full ring drops the new packet and counts it."""
    with Ring.create(3) as ring:
        assert [ring.put(packet(n)) for n in range(5)] == [True] * 3 + [False] * 2
        assert ring.dropped == 2
        assert [taken.number for taken in iter(ring.take, None)] == [0, 1, 2]


def test_too_long() -> None:
    """A payload over the limit is dropped and counted, not cut."""
    with Ring.create(3) as ring:
        assert not ring.put(packet(0)._replace(payload=bytes(MAX_PAYLOAD + 1)))
        assert ring.dropped == 1


def test_late() -> None:
    """A reader that is late jumps to the newest packet and counts what it passed over."""
    with Ring.create(8, max_delay_ms=1) as ring:
        for number in range(4):
            ring.put(packet(number))
        time.sleep(0.01)
        taken = ring.take()
        assert taken is not None and taken.number == 3
        assert (ring.skipped, ring.read) == (3, 4)
        assert ring.take() is None


@pytest.mark.parametrize(("ordered", "taken"), [(True, 3), (False, 2)])
def test_only_announced_packets_where_stores_are_not_ordered(ordered: bool, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On such a machine a packet whose bell was not rung yet may be incomplete: it is taken after its bell."""
    monkeypatch.setattr(ring_module, "ORDERED", ordered)
    with Ring.create(8) as ring, Bell.create() as bell:
        for number in range(3):
            ring.put(packet(number))
        bell.ring(2)
        assert [each.number for each in ring.take_all(bell)] == list(range(taken))
        bell.ring()
        assert [each.number for each in ring.take_all(bell)] == list(range(taken, 3))
        assert not list(ring.take_all(bell))


def test_sealed() -> None:
    """Nobody can shrink the memory under the other side's feet."""
    with Ring.create(2) as ring, pytest.raises(PermissionError):
        os.ftruncate(ring.fd, 0)


def test_broken_length() -> None:
    """A writer gone wild cannot make the reader read past a slot."""
    with Ring.create(2) as ring:
        ring.put(packet(0))
        ring._memory[128 + 48 : 128 + 52] = b"\xff" * 4
        taken = ring.take()
        assert taken is not None and len(taken.payload) == MAX_PAYLOAD


def test_no_ring() -> None:
    """A descriptor of something else is refused."""
    with pytest.raises(ValueError, match="no ring"), open("/dev/null", "rb") as nothing:
        Ring.attach(nothing.fileno())


def test_closed_twice() -> None:
    """Closing is idempotent and gives the descriptor back."""
    before = len(os.listdir("/proc/self/fd"))
    ring, bell = Ring.create(), Bell.create()
    for end in (ring, ring, bell, bell):
        end.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_bell() -> None:
    """A bell tells how often it was rung, once."""
    with Bell.create() as bell, Bell.attach(os.dup(bell.handed)) as far:
        assert far.answer() == 0
        bell.ring()
        bell.ring(2)
        assert (far.answer(), far.answer()) == (3, 0)


def test_flags() -> None:
    """Flags survive as a set."""
    with Ring.create(1) as ring:
        ring.put(packet(0)._replace(flags=Flag.CONCEALED | Flag.JUMP))
        taken = ring.take()
        assert taken is not None and taken.flags == Flag.CONCEALED | Flag.JUMP
