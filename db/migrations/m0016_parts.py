"""Recordings of several servers: where a part's files lie while they are apart from the recording's; under which epoch a broadcast is
on air, and when its time line began by this database's clock.
"""

STATEMENTS = (
    "ALTER TABLE live_broadcast ADD COLUMN epoch INTEGER",
    "ALTER TABLE live_broadcast ADD COLUMN zero_s REAL",
    "ALTER TABLE recording_part ADD COLUMN folder TEXT",
    "ALTER TABLE recording_part ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX recording_part_apart ON recording_part (node) WHERE folder IS NOT NULL",
)
