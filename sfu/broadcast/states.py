"""The state table of a broadcast. Code, interface and page use the same words. A pair that is not in the table raises KeyError."""

from enum import Enum


class BroadcastState(Enum):
    """waiting → live ⇄ parked → ended."""

    WAITING = "waiting"
    LIVE = "live"
    PARKED = "parked"
    ENDED = "ended"


class BroadcastEvent(Enum):
    MEDIA = "media"  # an authenticated RTP packet of the broadcaster
    LEFT = "left"  # silent for 6 s, the page left, or DTLS was closed
    RESTORED = "restored"  # resumed from a snapshot of the last run
    OVER = "over"  # Stop, the grace time, or no media within 10 s


NEXT: dict[tuple[BroadcastState, BroadcastEvent], BroadcastState] = {
    (BroadcastState.WAITING, BroadcastEvent.MEDIA): BroadcastState.LIVE,
    (BroadcastState.WAITING, BroadcastEvent.RESTORED): BroadcastState.PARKED,
    (BroadcastState.WAITING, BroadcastEvent.OVER): BroadcastState.ENDED,
    (BroadcastState.LIVE, BroadcastEvent.LEFT): BroadcastState.PARKED,
    (BroadcastState.LIVE, BroadcastEvent.OVER): BroadcastState.ENDED,
    (BroadcastState.PARKED, BroadcastEvent.MEDIA): BroadcastState.LIVE,
    (BroadcastState.PARKED, BroadcastEvent.OVER): BroadcastState.ENDED,
}
