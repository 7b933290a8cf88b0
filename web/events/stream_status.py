"""The status of a broadcast as a struct: what `sfu.broadcast.status` returns, sent in answers and on stream sockets alike."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from web.http.shapes import Answer, ServerMessage, Timestamp

Count = Annotated[int, Meta(ge=0)]


class DenoiseStatus(Answer, frozen=True, kw_only=True):
    """reason: why it is not active, or why another denoiser serves. strength_db null: no limit."""

    enabled: bool
    denoiser: str
    state: Literal["off", "starting", "active", "bypassed"]
    reason: str | None
    strength_db: Annotated[float, Meta(ge=0, le=100)] | None


class StageTime(Answer, frozen=True, kw_only=True):
    """Quantiles of a stage's time a packet, in milliseconds."""

    p50: float
    p99: float


class Latency(Answer, frozen=True, kw_only=True):
    """In milliseconds. algorithmic: the whole delay for which the sound is held."""

    algorithmic: float
    ingest: StageTime
    worker: StageTime
    fanout: StageTime


class LossStatus(Answer, frozen=True, kw_only=True):
    """Packets since the broadcast began."""

    received: Count
    lost: Count
    concealed: Count


class RecordingStatus(Answer, frozen=True, kw_only=True):
    """id null: nothing is recorded. failed: why it ended early."""

    id: int | None
    failed: Literal["storage_full", "failed"] | None


PASSING = frozenset({"duration_s", "latency_ms", "loss"})  # fields that change all the time


class StreamStatus(ServerMessage, frozen=True, kw_only=True):
    """A user's broadcast. Not live: broadcast, title and since are null. listener_names: for the broadcaster only.
    node: of several servers the one that has it, "" where that is not known. leaving: it ends soon, so its broadcaster shall offer again,
    which another one answers; listeners follow when `node` is another one than their Location has.
    """

    type: ClassVar[str] = "stream_state"
    username: str
    live: bool
    state: Literal["ended", "waiting", "live", "parked"]
    broadcast: str | None
    title: str | None
    since: Timestamp | None
    duration_s: float
    listeners: Count
    listener_names: list[str] | None
    denoise: DenoiseStatus
    latency_ms: Latency
    loss: LossStatus
    muted: bool
    recording: RecordingStatus
    node: str
    leaving: bool
