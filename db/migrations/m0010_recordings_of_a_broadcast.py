"""A broadcast may have several recordings, one after the other: which one goes on, and where in the broadcast it began."""

STATEMENTS = (
    "ALTER TABLE live_broadcast ADD COLUMN tape TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE live_broadcast ADD COLUMN origin INTEGER NOT NULL DEFAULT 0",
    "UPDATE live_broadcast SET tape = id",
)
