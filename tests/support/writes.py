"""Who has written what about broadcasts, by the database and the stream in Redis: to find what a server that was behind has written."""

import json
from contextlib import closing
from typing import Any, NamedTuple

import psycopg

from tests.support.redis import RedisServer

TABLES = ("live_broadcast", "broadcast_epoch", "recording")
NOTE = """
CREATE TABLE written (id bigserial PRIMARY KEY, who text, what text, old jsonb, new jsonb);
CREATE FUNCTION note() RETURNS trigger AS $$ BEGIN
  INSERT INTO written (who, what, old, new)
  VALUES (current_setting('application_name'), TG_TABLE_NAME, to_jsonb(OLD), to_jsonb(NEW));
  RETURN NULL;
END $$ LANGUAGE plpgsql;
"""


class Write(NamedTuple):
    """of: the server, by the name of its connection; what: the table; old, new: the row before and after."""

    of: str
    what: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


def note_all(url: str) -> None:
    """From now on triggers keep each write about broadcasts, in the order in which the rows were held."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(NOTE)
        for table in TABLES:
            connection.execute(
                f"CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION note()"  # type: ignore[call-overload]
            )


def noted(url: str) -> list[Write]:
    """All writes until now, oldest first."""
    with closing(psycopg.connect(url)) as connection:
        return [Write(*row) for row in connection.execute("SELECT who, what, old, new FROM written ORDER BY id").fetchall()]


def stale(writes: list[Write]) -> list[Write]:
    """Those of a server about a broadcast that another one has taken since with a higher epoch.

    What a server writes of its own recording, which it has begun itself, is not among them.
    """
    owners: dict[str, str] = {}
    found = []
    for write in writes:
        row = write.new or write.old or {}
        match write.what:
            case "broadcast_epoch":
                before = write.old["epoch"] if write.old else 0
                if write.new is not None and write.new["epoch"] <= before:
                    found.append(write)
                owners[row["broadcast"]] = write.of
            case "live_broadcast":
                if owners.get(row["id"], write.of) != write.of:
                    found.append(write)
            case "recording":
                owner = row["node"] if write.old is not None else owners.get(row["broadcast"].partition(".")[0], write.of)
                if owner not in ("", write.of):
                    found.append(write)
    return found


async def stale_events(redis: RedisServer) -> list[dict[str, Any]]:
    """Records of broadcasts that were told after one of a higher epoch."""
    newest: dict[str, int] = {}
    found = []
    for _, fields in await redis.do("XRANGE", "hushcast:events", "-", "+"):
        told = json.loads(fields[1])["told"]
        if told["type"] == "air":
            record = told["record"]
            if record["epoch"] < newest.get(record["username"], 0):
                found.append(record)
            newest[record["username"]] = max(record["epoch"], newest.get(record["username"], 0))
    return found
