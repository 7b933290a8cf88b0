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
