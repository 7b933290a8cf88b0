"""Why there is no certificate, in one line."""


class NotIssued(Exception):
    """The text is one line. refused: whether the authority said no, which counts against its limits, or could not be asked.

    not_before: the earliest time that the authority wishes, as Unix time; 0 where it wishes none.
    """

    def __init__(self, text: str, *, refused: bool, not_before: float = 0) -> None:
        super().__init__(" ".join(text.split())[:500])
        self.refused, self.not_before = refused, not_before
