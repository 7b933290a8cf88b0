"""What the hold releases, and when. Time is a number; a packet lasts 20 ms and the hold is two packets."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sfu.fanout.hold import MAX_HELD, NO_WORKER_LATE_NS, QUIET_LATE_NS, WORKER_LATE_NS, Hold, Release
from workers.link.ring import Packet

MS = 1_000_000
HOLD = 1920


def packet(n: int, arrival_ms: float | None = None, time: int | None = None) -> Packet:
    arrival_ns = int((20 * n if arrival_ms is None else arrival_ms) * MS)
    return Packet(n, 960 * n if time is None else time, 960, arrival_ns, b"%d" % n)


def hold(expected: bool = False, samples: int = HOLD) -> Hold:
    held = Hold()
    held.samples = samples
    held.expect(expected, 0)
    return held


def words(releases: list[Release]) -> str:
    """`o3` for an original alone, `d3` for a denoised one with its counterpart, `x3` for a denoised one whose original was lost."""
    return " ".join(("o" if each.denoised is None else "d" if each.original else "x") + str(each.number) for each in releases)


def play(held: Hold, script: str) -> str:
    """Run a script: `o1` original, `d1` denoised, `t55` tick at 55 ms, `f+` and `f-` worker comes and goes, `flush`.

    Returns what each step released, separated by `|`.
    """
    out = []
    now_ns = 0
    for step in script.split():
        if step == "flush":
            out.append(words(held.flush()))
        elif step[0] == "o":
            now_ns = 20 * int(step[1:]) * MS
            out.append(words(held.original(packet(int(step[1:])))))
        elif step[0] == "d":
            out.append(words(held.denoised(packet(int(step[1:])))))
        elif step[0] == "t":
            now_ns = int(step[1:]) * MS
            out.append(words(held.tick(now_ns)))
        else:
            out.append(words(held.expect(step == "f+", now_ns)))
    return "|".join(out)


@pytest.mark.parametrize(
    "script, heard",
    [
        ("f- o0 o1 o2 o3", "|||o0|o1"),  # alone: paced by the packet one hold later
        ("f+ o0 o1 o2 d0 o3 d1", "||||d0||d1"),  # a denoised packet goes on with its counterpart
        ("f+ o0 o1 o2 d1", "||||o0 d1"),  # a later one releases the earlier ones as originals
        ("f+ o0 o1 o2 d0 d0", "||||d0|"),  # never twice
        ("f+ o0 o1 o2 d1 d0", "||||o0 d1|"),  # never back
        ("f+ o0 o2 o3 d0 d1 o4 d2", "||||d0|x1||d2"),  # a lost original that the worker concealed
        ("f- o0 o2 o3 o4", "||o0||o2"),  # a lost original that nobody concealed is skipped
        ("f+ o0 o1 d7", "|||"),  # a number that was never put in is dropped
        ("f- o0 o1 o2 d0 o3", "|||o0||o1"),  # too late
        ("f+ o0 o1 o2 t64 t65", "||||" + "|o0"),  # a hung worker: 25 ms after the packet one hold later
        ("f+ o0 o1 o2 o3 f-", "|||||o0 o1"),  # a dead worker: what is due goes at once
        ("f- o0 t44 t45", "||" + "|o0"),  # silence, no worker: 5 ms after the hold
        ("f+ o0 t174 t175", "||" + "|o0"),  # silence, a worker: it flushes after 100 ms, and may take 75 ms
        ("f+ o0 o1 o2 d0 t214 d1 d2", "||||d0||d1|d2"),  # the worker flushes the last two after a pause
        ("f+ o0 o7 t164 t165", "|||" + "|o0"),  # once packets flow again, those before the pause have the usual deadline
        ("f- o0 o1 f+ o2 o3 o4 d2", "||||o0|o1||d2"),  # originals from before the worker have no counterpart to wait for
        ("f+ o0 o1 o2 flush", "||||o0 o1 o2"),
        ("f- o0 o1 o1 o0 o2", "||||" + "|o0"),  # an original that came already
        ("f+ flush d0 t9999", "|||"),
    ],
)
def test_what_goes_on(script: str, heard: str) -> None:
    """Each step releases what the table says."""
    assert play(hold(), script) == heard


def test_gap_in_time_lets_go_at_once() -> None:
    """The packet that ends a pause releases the originals before it."""
    held = hold()
    held.original(packet(0))
    assert words(held.original(packet(1, 500, time=24_000))) == "o0"


def test_without_hold_originals_pass() -> None:
    """With a hold of 0 and no worker each original is released at once."""
    held = hold(samples=0)
    assert [words(held.original(packet(n))) for n in range(3)] == ["o0", "o1", "o2"]


@pytest.mark.parametrize("expected, due_ms", [(False, 40 + NO_WORKER_LATE_NS / MS), (True, 100 + QUIET_LATE_NS / MS)])
def test_deadline_is_told(expected: bool, due_ms: float) -> None:
    """The deadline is that of the oldest packet held, and none when nothing is."""
    held = hold(expected)
    assert not held.deadline_ns
    held.original(packet(0))
    assert held.deadline_ns == due_ms * MS
    held.tick(int(due_ms * MS))
    assert held.deadline_ns is None


def test_a_packet_that_waited_for_a_lost_one_leaves_the_worker_its_time() -> None:
    """Packets that waited behind a lost one reach the worker late: the deadline counts from then, not from their arrival."""
    held = hold(True)
    for n in (0, 1):
        held.original(packet(n), 20 * n * MS)
    for n in (2, 3):
        held.original(packet(n), 80 * MS)  # both kept back until 40 ms after the arrival of 2
    assert not held.tick(81 * MS) and held.deadline_ns == 80 * MS + WORKER_LATE_NS
    assert words(held.denoised(packet(0))) == "d0"
    held.original(packet(4))
    assert held.deadline_ns == 80 * MS + WORKER_LATE_NS  # later packets do not prolong it
    assert words(held.tick(80 * MS + WORKER_LATE_NS)) == "o1 o2"


def test_held_packets_are_bounded() -> None:
    """With a worker that never answers and no ticks, a full hold releases its oldest original."""
    held = hold(expected=True)
    out = [release for n in range(MAX_HELD + 10) for release in held.original(packet(n))]
    assert [release.number for release in out] == list(range(10))


@given(
    seed=some.integers(0, 2**32),
    loss=some.floats(0, 0.4),
    slow_ms=some.integers(0, 120),
    deaths=some.lists(some.integers(0, 2000), max_size=6),
)
def test_any_worker(seed: int, loss: float, slow_ms: int, deaths: list[int]) -> None:
    """With any loss, any lateness and any deaths of the worker, each number is released once, in order, and none is missing."""
    dice = random.Random(seed)
    alive = True
    held = hold(expected=True)
    events: list[tuple[float, int, str, int]] = []
    originals = [n for n in range(100) if n == 0 or dice.random() >= loss]
    for n in originals:
        events.append((20 * n + dice.random() * 15, 1, "original", n))
    for n in range(98):
        if dice.random() < 0.9:
            events.append((20 * n + 55 + dice.random() * slow_ms, 2, "denoised", n))
    events += [(at, 0, "toggle", 0) for at in deaths]
    out: list[Release] = []
    in_time = set()
    last_denoised = newest = -1
    for ms, _, what, n in sorted(events):
        now_ns = int(ms * MS)
        while (due_ns := held.deadline_ns) is not None and due_ns <= now_ns:
            out += held.tick(due_ns)
        if what == "original":
            newest = max(newest, n)
            out += held.original(packet(n, ms))
        elif what == "toggle":
            alive = not alive
            out += held.expect(alive, now_ns)
        elif alive and n > last_denoised:
            last_denoised = n
            if held.last_number < n <= newest:
                in_time.add(n)
            out += held.denoised(packet(n, ms))
    out += held.flush()
    numbers = [release.number for release in out]
    assert numbers == sorted(set(numbers))
    assert set(numbers) == set(originals) | in_time
    assert {release.number for release in out if release.denoised} == in_time
