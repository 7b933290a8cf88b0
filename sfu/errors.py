"""The whole taxonomy of failures, sorted by whose fault it is, for that decides the cure.

`Refused` is the client's, `WorkerError` the plugin's, `ConfigError` the operator's, `PeerGone` nobody's. `code` is for
programs and stays; the text is for people and may change.
"""


class HushcastError(Exception):
    """Root of everything that this project raises on purpose."""


class Refused(HushcastError):
    """The client asked for something that it may not have. Carries the HTTP status and the stable code."""

    status = 400
    code = "bad_request"

    def __init__(self, detail: str = "", *, retry_after_s: float | None = None, **fields: object) -> None:
        super().__init__(detail or self.__doc__ or self.code)
        self.detail = detail or (self.__doc__ or self.code)
        self.retry_after_s = retry_after_s
        self.fields = fields  # more members for the problem document, `known` or `errors` say


class BadRequest(Refused):
    """Some fields are not valid."""

    status, code = 422, "bad_request"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {why}" for field, why in errors.items()), errors=errors)


class BadOffer(Refused):
    """The SDP offer cannot be understood."""

    status, code = 422, "bad_sdp"


class NoOpus(Refused):
    """The offer has no Opus audio."""

    status, code = 406, "no_opus"


class WrongType(Refused):
    """This content type is not taken here."""

    status, code = 415, "unsupported_media_type"


class TooLarge(Refused):
    """The body is larger than 64 KiB."""

    status, code = 413, "too_large"


class UnknownDenoiser(Refused):
    """There is no denoiser of that name."""

    status, code = 422, "unknown_denoiser"


class NotSignedIn(Refused):
    """Sign in first."""

    status, code = 401, "not_signed_in"


class BadCredentials(Refused):
    """Name or password is wrong."""

    status, code = 401, "bad_credentials"


class NotAllowed(Refused):
    """This is not yours."""

    status, code = 403, "not_allowed"


class BadOrigin(Refused):
    """The request comes from another site."""

    status, code = 403, "bad_origin"


class NotFriends(Refused):
    """Only friends may do that."""

    status, code = 403, "not_friends"


class WrongScope(Refused):
    """The token has not the scope for this."""

    status, code = 403, "wrong_scope"


class NoSuchUser(Refused):
    """There is no user of that name."""

    status, code = 404, "no_such_user"


class NotFound(Refused):
    """There is no such thing."""

    status, code = 404, "not_found"


class NoSuchVariant(Refused):
    """The recording has no such variant."""

    status, code = 404, "no_such_variant"


class NotLive(Refused):
    """Nobody is live there. `conflict` makes it a 409, for commands to one's own broadcast."""

    status, code = 404, "not_live"

    def __init__(self, detail: str = "", *, conflict: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        if conflict:
            self.status = 409


class Conflict(Refused):
    """That clashes with what is there."""

    status, code = 409, "conflict"

    def __init__(self, code: str, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.code = code


class PreconditionRequired(Refused):
    """An ICE restart needs If-Match."""

    status, code = 428, "precondition_required"


class PreconditionFailed(Refused):
    """The tag is not the current one."""

    status, code = 412, "precondition_failed"


class TooMany(Refused):
    """Too many attempts; wait a little."""

    status, code = 429, "too_many_attempts"


class Draining(Refused):
    """The server is going down."""

    status, code = 503, "draining"


class WorkerError(HushcastError):
    """A denoiser's fault: the voice goes on without it. `reason` is the word shown in the status."""

    reason = "worker_failed"


class DidNotStart(WorkerError):
    """The worker was not ready in time, or could not load its model."""


class Died(WorkerError):
    """The worker's process ended without being asked."""


class TooSlow(WorkerError):
    """Input went in and nothing came out: it hangs."""


class ConfigError(HushcastError):
    """The operator's: a bad key or value, a used port. Start-up only; exit 2 and one line."""
