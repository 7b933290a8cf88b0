"""What a question may be refused with. `code` is the word that goes out on the wire."""


class DatabaseRefusal(Exception):
    """Root: the question was well put, and the rows say no."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Clash(DatabaseRefusal):
    """It is there already, or it is no longer so."""


class Missing(DatabaseRefusal):
    """There is no such row, or none that the asker may know of."""


class Denied(DatabaseRefusal):
    """The row is somebody else's."""


class Unavailable(Exception):
    """The machine's fault, not the asker's: the file cannot be read or written now. It may be asked again later.

    code: storage_full, database_busy (another program holds it) or database_away (gone, unreadable, damaged). cause: for the log.
    """

    def __init__(self, code: str, cause: str) -> None:
        super().__init__(f"{code}: {cause}")
        self.code, self.cause = code, cause


class Unusable(Exception):
    """At the start: the file is damaged, another program's, or newer than this program. One line, which says what to do."""
