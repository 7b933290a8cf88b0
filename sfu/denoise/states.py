"""The state table of a broadcast's denoiser. Code, interface and page use the same words. A pair that is not in it raises KeyError."""

from enum import Enum


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
