"""Whether what was given for a while is still good. It is only refused here, never deleted: the clock may be wrong."""

from datetime import timedelta
from typing import Any

from db.tables import now

SLACK = timedelta(days=1)  # clocks that are corrected by hours: a wrong time zone, say


def is_good(created_at: Any, expires_at: Any) -> Any:
    """A condition on two columns. Without an end it is good; what a clock that was far ahead has made would last too long and is not."""
    moment = now()
    return expires_at.is_null() | ((expires_at > moment) & (created_at <= moment + SLACK))
