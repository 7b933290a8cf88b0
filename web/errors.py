"""What only HTTP refuses, each with its status and stable code. `sfu.errors` has the base class and what the media plane refuses."""

from sfu.errors import Refused

# What was sent


class BadRequest(Refused):
    """Some fields are not valid."""

    status, code = 422, "bad_request"

    def __init__(self, errors: dict[str, str]) -> None:
        """errors: field -> what is wrong with it."""
        super().__init__("; ".join(f"{field}: {why}" for field, why in errors.items()), errors=errors)


class WeakPassword(BadRequest):
    """This password is guessed at once. Says why under `errors.password`, and under each of `fields`."""

    code = "weak_password"

    def __init__(self, why: str, *fields: str) -> None:
        super().__init__(dict.fromkeys(("password", *fields), why))
        self.detail = f"The password {why}."


class WrongType(Refused):
    """This content type is not taken here."""

    status, code = 415, "unsupported_media_type"


class TooLarge(Refused):
    """The body is larger than 64 KiB."""

    status, code = 413, "too_large"


class ClientTooSlow(Refused):
    """The body took too long."""

    status, code = 408, "too_slow"


class HeadersTooLarge(Refused):
    """A header is too long, or there are too many of them."""

    status, code = 431, "headers_too_large"


class PreconditionRequired(Refused):
    """This needs If-Match."""

    status, code = 428, "precondition_required"


class TooMany(Refused):
    """Too many attempts; wait a little."""

    status, code = 429, "too_many_attempts"


# Who asks


class BadCredentials(Refused):
    """Name or password is wrong."""

    status, code = 401, "bad_credentials"


class NotAllowed(Refused):
    """This is not yours."""

    status, code = 403, "not_allowed"


class Suspended(Refused):
    """This account is suspended. Whoever owns this server can lift that."""

    status, code = 403, "suspended"


class NotOwner(Refused):
    """Only the owner of this server may do that."""

    status, code = 403, "not_owner"


class BadOrigin(Refused):
    """The request comes from another site."""

    status, code = 403, "bad_origin"


class NotFriends(Refused):
    """Only friends may do that."""

    status, code = 403, "not_friends"


class WrongScope(Refused):
    """The token has not the scope for this."""

    status, code = 403, "wrong_scope"


class WrongCode(Refused):
    """That is not the code."""

    status, code = 403, "wrong_code"


class RegistrationClosed(Refused):
    """New accounts are made by invitation here. Ask a friend for a link."""

    status, code = 403, "registration_closed"


class BadClaim(Refused):
    """That is not this server's claim link. Its newest start prints the right one."""

    status, code = 403, "bad_claim"


class NotANode(Refused):
    """Only the other nodes of this installation may ask that, and each request once."""

    status, code = 403, "not_a_node"


# What is asked for


class NoSuchUser(Refused):
    """There is no user of that name."""

    status, code = 404, "no_such_user"


class Oneself(Refused):
    """That is you."""

    status, code = 422, "self"


class NoSuchVariant(Refused):
    """The recording has no such variant."""

    status, code = 404, "no_such_variant"


class NoSuchRange(Refused):
    """The file ends before the range begins. `size`: its bytes."""

    status, code = 416, "no_such_range"

    def __init__(self, size: int) -> None:
        super().__init__(f"It has {size} bytes.")
        self.size = size


class Moved(Refused):
    """That was the path of an older design; another one replaces it."""

    status, code = 410, "moved"


class NotReady(Refused):
    """That is not ready yet; ask again soon."""

    status, code = 409, "not_ready"


class CodeUnknown(Refused):
    """The code of this session was made with a key that is gone. The old link still works; or make a new session."""

    status, code = 409, "code_unknown"


# The server's own fault


class NodeAway(Refused):
    """The server that has this does not answer. Try again in a moment."""

    status, code = 503, "node_away"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, retry_after_s=1)


class StorageAway(Refused):
    """The store of recordings does not answer as it should. Try again in a moment."""

    status, code = 503, "storage_away"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, retry_after_s=10)


class InternalError(Refused):
    """Something went wrong here. It has been noted."""

    status, code = 500, "internal_error"
