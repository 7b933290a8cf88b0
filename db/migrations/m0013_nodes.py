"""Of several servers, which one has a recording's files, a broadcast on air, or a folder to be deleted; "" where there is one server."""

STATEMENTS = (
    "ALTER TABLE recording ADD COLUMN node TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE live_broadcast ADD COLUMN node TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE discarded_folder ADD COLUMN node TEXT NOT NULL DEFAULT ''",
)
