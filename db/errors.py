"""Errors of queries. `code` is the problem code of the API."""


class DatabaseRefusal(Exception):
    """Base class: the request was valid, but the rows do not allow it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Clash(DatabaseRefusal):
    """It exists already, or its state has changed."""


class Missing(DatabaseRefusal):
    """There is no such row, or none that the requester may know of."""


class Denied(DatabaseRefusal):
    """The row belongs to another user."""


class StaleEpoch(Exception):
    """Another server has taken the broadcast over meanwhile: nothing was written, and whoever asked has to end it."""


class Unavailable(Exception):
    """The file cannot be read or written now; the request may be repeated later.

    code: storage_full, database_busy (another program holds it) or database_away (gone, unreadable, damaged). cause: for the log.
    """

    def __init__(self, code: str, cause: str) -> None:
        super().__init__(f"{code}: {cause}")
        self.code, self.cause = code, cause


class Undecided(Unavailable):
    """The end of a transaction was sent, and the answer did not come: whether it was done is not known."""


class Unusable(Exception):
    """At the start: the file is damaged, of another program, or newer than this program. The text is one line that says what to do."""


class NoRows(Unusable):
    """There is no database yet, so there are no rows to copy."""
