"""The lines between server and worker: one JSON object a line over a socket pair. Parse and dump, no I/O.

Worker to server: Ready once, Stats once a second, WorkerFailure before it ends by itself.
Server to worker: Adjust. The end of the stream means that the other side has ended.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

MAX_LINE = 65_536


class ControlError(ValueError):
    """The other side sent a line that is not of this protocol."""


@dataclass(frozen=True)
class Quantiles:
    """Quantiles in ms over the last window; 0.0 where nothing was measured."""

    p50: float = 0.0
    p99: float = 0.0


@dataclass(frozen=True)
class Ready:
    """The worker accepts packets from now on."""

    pid: int
    denoiser: str
    latency: int  # samples by which the model's output trails its input
    delay: int  # of the whole pipeline, in samples, padded to whole packets of 20 ms
    takes: tuple[str, ...] = ()  # the denoisers that Adjust may name


@dataclass(frozen=True)
class Stats:
    """Counters since the start; quantiles over the last window (a second)."""

    received: int = 0  # packets taken from the noisy ring
    lost: int = 0  # packets missing on the way in
    concealed: int = 0  # of the lost: concealed by the decoder
    repaired: int = 0  # of the lost: decoded from FEC
    garbage: int = 0  # packets that could not be decoded, or came too late or twice
    jumps: int = 0  # gaps and jumps of the time line that were not filled
    flushes: int = 0  # times that pending packets were flushed because no packet came
    nan: int = 0  # hops in which the model's output was not finite
    hops: int = 0
    denoiser: str = ""  # the present one
    cpu_s: float = 0.0  # processor time, Opus included
    dropped: int = 0  # packets for which the clean ring had no room
    hop_ms: Quantiles = field(default_factory=Quantiles)  # the denoiser alone, for a hop of 10 ms
    packet_ms: Quantiles = field(default_factory=Quantiles)  # put into the noisy ring -> put into the clean ring


@dataclass(frozen=True)
class WorkerFailure:
    """The worker cannot go on. `reason`: nan, load, unknown_denoiser, no_opus, crashed."""

    reason: str
    text: str = ""


@dataclass(frozen=True)
class Adjust:
    """Settings to change; None leaves one as it is. A strength of 100 dB or more means no limit."""

    strength_db: float | None = None  # attenuation limit, 0 to 100
    complexity: int | None = None  # of the Opus encoder, 0 to 10
    denoiser: str | None = None  # one of Ready.takes, else ignored
    loss_percent: int | None = None  # of the listener with the most loss: above 0 the encoder adds FEC


def quiet_s(samples: int) -> float:
    """How long after a packet of so many samples a worker waits for another before it flushes pending packets.

    After a lost packet the next one comes two durations later, and is held for another 40 ms in which the lost one may be
    retransmitted: that is no reason to flush. 20 ms are added as a margin.
    """
    return 2 * samples / 48_000 + 0.06


Message = Ready | Stats | WorkerFailure | Adjust
_KINDS: dict[str, type[Message]] = {"ready": Ready, "stats": Stats, "failed": WorkerFailure, "adjust": Adjust}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def dump(message: Message) -> bytes:
    """One line, newline included."""
    return json.dumps({"type": _NAMES[type(message)], **vars(message)}, default=vars).encode() + b"\n"


def parse(line: bytes) -> Message:
    """The message of one line; unknown fields are ignored, missing ones take their default. Raises ControlError."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError(f"no JSON: {line[:80]!r}") from error
    kind = _KINDS.get(str(told.get("type"))) if isinstance(told, dict) else None
    if kind is None:
        raise ControlError(f"no message: {line[:80]!r}")
    values = {each.name: _checked(each.type, each.name, told[each.name]) for each in fields(kind) if each.name in told}
    try:
        return kind(**values)
    except TypeError as error:
        raise ControlError(f"incomplete {told['type']}: {error}") from error


def _checked(kind: Any, name: str, value: object) -> Any:
    """`value` if it is of the field's type; floats must be finite, ints are floats too, bools are no numbers."""
    if kind == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise ControlError(f"{name} is no list of words: {value!r}")
    if kind is Quantiles and isinstance(value, Mapping):
        return Quantiles(*(_checked(float, f"{name}.{key}", value.get(key, 0.0)) for key in ("p50", "p99")))
    wanted = kind if isinstance(kind, type) else kind.__args__
    allowed = (*wanted, int) if isinstance(wanted, tuple) and float in wanted else (float, int) if wanted is float else wanted
    if isinstance(value, bool) or not isinstance(value, allowed) or (isinstance(value, float) and not isfinite(value)):
        raise ControlError(f"{name} is no {kind}: {value!r}")
    return value


class LineBuffer:
    """Splits a stream into lines. Holds at most MAX_LINE bytes; a longer line raises ControlError."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their newlines and without empty ones."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE:
            self._rest = b""
            raise ControlError("line too long")
        return [line for line in whole if line]
