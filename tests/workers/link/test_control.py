"""The lines between server and worker."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from workers.link.control import MAX_LINE, Adjust, ControlError, LineBuffer, Message, Quantiles, Ready, Stats, WorkerFailure, dump, parse

_MESSAGES = (
    some.builds(Ready, some.integers(), some.text(), some.integers(), some.integers())
    | some.builds(WorkerFailure, some.text(), some.text())
    | some.builds(
        Adjust,
        some.none() | some.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
        some.none() | some.integers(0, 10),
        some.none() | some.text(),
    )
    | some.builds(Stats, some.integers(), packet_ms=some.builds(Quantiles, some.just(1.5), some.just(2.5)))
)


@given(_MESSAGES)
def test_round_trip(message: Message) -> None:
    """What is dumped is one line and parses to the same."""
    line = dump(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert parse(line) == message


@given(some.binary() | some.text().map(str.encode))
def test_garbage(line: bytes) -> None:
    """Whatever comes is a message or a ControlError."""
    try:
        parse(line)
    except ControlError:
        pass


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{}",
        b'{"type": ["ready"]}',
        b'{"type": "ready"}',
        b'{"type": "ready", "pid": "1", "denoiser": "x", "latency": 0, "delay": 0}',
        b'{"type": "adjust", "strength_db": true}',
        b'{"type": "adjust", "strength_db": NaN}',
        b'{"type": "adjust", "complexity": 1.5}',
        b'{"type": "stats", "hop_ms": 3}',
        b'{"type": "stats", "hop_ms": {"p50": "x"}}',
        b"[" * 100_000,
    ],
)
def test_refused(line: bytes) -> None:
    """Wrong shapes and types are refused."""
    with pytest.raises(ControlError):
        parse(line)


def test_unknown_field() -> None:
    """A field of a later version is passed over."""
    assert parse(b'{"type": "failed", "reason": "nan", "mood": 1}') == WorkerFailure("nan")


@given(some.lists(_MESSAGES, max_size=5), some.integers(1, 40))
def test_lines(messages: list[Message], step: int) -> None:
    """However the stream is cut, the lines come out whole."""
    stream, lines = b"".join(map(dump, messages)), LineBuffer()
    found = [line for at in range(0, len(stream), step) for line in lines.feed(stream[at : at + step])]
    assert [parse(line) for line in found] == messages


def test_endless_line() -> None:
    """A line that never ends is refused before it fills the memory."""
    with pytest.raises(ControlError):
        LineBuffer().feed(bytes(MAX_LINE + 1))
