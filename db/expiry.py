"""Whether something with an expiry time is still valid. Expired rows are refused, not deleted, because the clock may be wrong."""

from datetime import timedelta
from typing import Any

from db.tables import now

SLACK = timedelta(days=1)  # tolerates clock corrections by hours, for example of a wrong time zone


def is_good(created_at: Any, expires_at: Any) -> Any:
    """A condition on two columns. Rows without an expiry are valid; rows created while the clock was far ahead are not."""
    moment = now()
    return expires_at.is_null() | ((expires_at > moment) & (created_at <= moment + SLACK))
