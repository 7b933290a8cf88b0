"""The last time at which the wall clock was trusted, to which the clock is compared at a new start."""

from datetime import datetime, timedelta

import peewee

from db import trash
from db.tables import LastTrustedTime, Login, Recording, User

FAR = timedelta(days=1)  # a greater step between two trusted times may come from a wrong clock


def newest() -> datetime | None:
    """The last trusted time; if none was stored, the newest time stamp of the rows; None in a new database."""
    noted = LastTrustedTime.get_or_none()
    if noted is not None:
        return noted.moment  # type: ignore[no-any-return]
    stamps = (User.created_at, Login.seen_at, Recording.started_at)
    found = [stamp.model.select(peewee.fn.MAX(stamp).python_value(stamp.python_value)).scalar() for stamp in stamps]
    return max((moment for moment in found if moment is not None), default=None)


def accept(moment: datetime) -> None:
    """Store a trusted time. If it is far from the one before, the days of recordings in the trash are counted anew.

    So nothing goes for good because of a jump, not even because of one that lasted until it was believed.
    """
    noted = LastTrustedTime.get_or_none()
    if noted is not None and abs(moment - noted.moment) > FAR:
        trash.count_anew()
    storing = LastTrustedTime.insert(id=1, moment=moment)
    storing.on_conflict(conflict_target=[LastTrustedTime.id], preserve=[LastTrustedTime.moment]).execute()
