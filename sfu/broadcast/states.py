"""The two state tables of a broadcast; the same words in code, on the wire and in the page. A missing pair raises."""

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
    RESTORED = "restored"  # the last run of the server left it on air
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


class DenoiseState(Enum):
    """off → starting ⇄ active; bypassed where no worker may or can serve."""

    OFF = "off"
    STARTING = "starting"
    ACTIVE = "active"
    BYPASSED = "bypassed"


class DenoiseEvent(Enum):
    OFF = "off"  # nobody wants it any more
    WANTED = "wanted"  # the switch, or a listener
    READY = "ready"  # the worker said so
    DIED = "died"  # it will be tried again
    GAVE_UP = "gave_up"  # the third failure within 60 s
    TOO_SLOW = "too_slow"  # the guard's last step
    BUSY = "busy"  # the machine cannot carry one more


DENOISE_NEXT: dict[tuple[DenoiseState, DenoiseEvent], DenoiseState] = {
    (DenoiseState.OFF, DenoiseEvent.WANTED): DenoiseState.STARTING,
    (DenoiseState.STARTING, DenoiseEvent.READY): DenoiseState.ACTIVE,
    (DenoiseState.STARTING, DenoiseEvent.DIED): DenoiseState.STARTING,
    (DenoiseState.STARTING, DenoiseEvent.GAVE_UP): DenoiseState.BYPASSED,
    (DenoiseState.STARTING, DenoiseEvent.OFF): DenoiseState.OFF,
    (DenoiseState.ACTIVE, DenoiseEvent.DIED): DenoiseState.STARTING,
    (DenoiseState.ACTIVE, DenoiseEvent.GAVE_UP): DenoiseState.BYPASSED,
    (DenoiseState.ACTIVE, DenoiseEvent.OFF): DenoiseState.OFF,
    (DenoiseState.STARTING, DenoiseEvent.BUSY): DenoiseState.BYPASSED,
    (DenoiseState.ACTIVE, DenoiseEvent.TOO_SLOW): DenoiseState.BYPASSED,
    (DenoiseState.BYPASSED, DenoiseEvent.READY): DenoiseState.ACTIVE,
    (DenoiseState.BYPASSED, DenoiseEvent.WANTED): DenoiseState.STARTING,
    (DenoiseState.BYPASSED, DenoiseEvent.OFF): DenoiseState.OFF,
}
