"""Settings of a voice's workers: told when they change, and all of them at once."""

from sfu.denoise.tuning import NO_LIMIT_DB, Tuning
from workers.link.control import Adjust


def test_each_change_is_told_once_and_whole() -> None:
    """What was set before goes along; what changes nothing is not told."""
    told: list[Adjust] = []
    tuning = Tuning(told.append)
    tuning.strengthen(12.0)
    tuning.strengthen(12.0)
    tuning.foresee(5)
    tuning.take_care(5)
    assert told == [
        Adjust(strength_db=12.0),
        Adjust(strength_db=12.0, loss_percent=5),
        Adjust(strength_db=12.0, loss_percent=5, complexity=5),
    ]


def test_the_limit_reads_as_it_was_asked_for() -> None:
    """None at first; a limit of 100 dB is as good as none, and yet reads as 100."""
    told: list[Adjust] = []
    tuning = Tuning(told.append)
    assert tuning.strength_db is None
    for strength_db in (0.0, NO_LIMIT_DB, None):
        tuning.strengthen(strength_db)
        assert tuning.strength_db == strength_db
    assert told == [Adjust(strength_db=0.0), Adjust(strength_db=NO_LIMIT_DB)]
