"""Maps errors of PostgreSQL to Unavailable, with one of three codes, if the machine and not the program is the cause."""

import psycopg

from db.errors import Unavailable, Unusable

LONGEST = 300  # characters of a cause
LOST = {"57P01", "57P02", "57P03", "57P05", "25P03"}  # ended or refused by an administrator, a restart, a time limit
REPEATABLE = {"40001", "40P01"}  # serialisation failure, deadlock: rolled back, and right the next time
BUSY = {"57014", "55P03", "53000", "53200", "53300", "53400"} | REPEATABLE  # time limits, locks, too much of something
FULL = {"53100"}
AWAY = {"25006", "42501", "58000", "58030", "58P01", "58P02", "XX001", "XX002"}  # a standby, no rights, a broken disk, damage
READ_ONLY = "25006"
NO_RIGHTS = "42501"


def original_of(error: BaseException) -> psycopg.Error | None:
    """psycopg's own error, which peewee wraps."""
    inner = getattr(error, "orig", error)
    return inner if isinstance(inner, psycopg.Error) else None


def is_lost(error: BaseException) -> bool:
    """Whether the connection ended, or was refused."""
    original = original_of(error)
    if original is None:
        return False
    state = original.sqlstate
    unanswered = state is None and isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
    return unanswered or state in LOST or (state or "").startswith("08")


def is_repeatable(error: BaseException) -> bool:
    """Whether another transaction was in the way of this one, which has changed nothing."""
    return getattr(original_of(error), "sqlstate", None) in REPEATABLE


def is_write_by_reader(error: BaseException) -> bool:
    """Whether a read-only function has tried to write: a fault of the program, in a session that reads."""
    return getattr(original_of(error), "sqlstate", None) == READ_ONLY


def fault_of(error: BaseException) -> Unavailable | None:
    """Unavailable for an error that the machine causes; None for a fault of the program."""
    original = original_of(error)
    if original is None:
        return None
    state, text = original.sqlstate, one_line(original)
    if is_lost(error) or state in AWAY:
        return Unavailable("database_away", text)
    if state in FULL:
        return Unavailable("storage_full", text)
    return Unavailable("database_busy", text) if state in BUSY else None


def trouble_of(error: BaseException) -> Exception | None:
    """The error to raise for one at the start or of a command: Unusable without the rights, else as `fault_of`."""
    if getattr(original_of(error), "sqlstate", None) == NO_RIGHTS:
        return Unusable(f"the user of database.url has too few rights: {one_line(error)}")
    return fault_of(error)


def one_line(error: BaseException) -> str:
    """What PostgreSQL says, in one line. It names host, port, user and database, never the password."""
    said = " ".join(str(error).split())
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
