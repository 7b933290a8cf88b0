"""Errors of the media plane, sorted by whose fault they are: `Refused` is the client's, `WorkerError` the denoiser's.

What only HTTP refuses is in `web.errors`, the operator's mistakes in `sfu.config.errors`. `code` is for programs and stays; the text is for
people and may change.
"""


class HushcastError(Exception):
    """Root of everything that this project raises on purpose."""


class Refused(HushcastError):
    """The client asked for something that it may not have. Carries the HTTP status and the stable code; the docstring is the usual text.

    `fields`: more members of the problem document, such as `known` or `errors`.
    """

    status = 400
    code = "bad_request"

    def __init__(self, detail: str = "", *, retry_after_s: float | None = None, **fields: object) -> None:
        super().__init__(detail or self.__doc__ or self.code)
        self.detail = detail or (self.__doc__ or self.code)
        self.retry_after_s = retry_after_s
        self.fields = fields


class BadOffer(Refused):
    """The SDP offer cannot be understood."""

    status, code = 422, "bad_sdp"


class NoOpus(Refused):
    """The offer has no Opus audio."""

    status, code = 406, "no_opus"


class UnknownDenoiser(Refused):
    """There is no denoiser of that name."""

    status, code = 422, "unknown_denoiser"


class NotSignedIn(Refused):
    """Sign in first."""

    status, code = 401, "not_signed_in"


class NotFound(Refused):
    """There is no such thing."""

    status, code = 404, "not_found"


class NotLive(Refused):
    """Nobody is live there."""

    status, code = 404, "not_live"

    def __init__(self, detail: str = "", *, conflict: bool = False, retry_after_s: float | None = None) -> None:
        """conflict: makes it a 409, for commands to one's own broadcast."""
        super().__init__(detail, retry_after_s=retry_after_s)
        if conflict:
            self.status = 409


class PreconditionFailed(Refused):
    """The tag is not the current one."""

    status, code = 412, "precondition_failed"


class Draining(Refused):
    """The server is going down."""

    status, code = 503, "draining"


class WorkerError(HushcastError):
    """The denoiser's fault; the broadcast goes on without it. `reason` is the word shown in the status."""

    reason = "worker_failed"


class DidNotStart(WorkerError):
    """The worker was not ready in time, or could not load its model."""


class Died(WorkerError):
    """The worker's process ended without being asked."""


class TooSlow(WorkerError):
    """Packets went into the worker and none came out: it hangs."""
