"""Recordings' files that have been moved to S3: which, and where; and which deleted recordings still have some there."""

STATEMENTS = (
    """CREATE TABLE stored_folder (
        folder TEXT NOT NULL PRIMARY KEY,
        recording_id INTEGER NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
        place TEXT NOT NULL,
        files TEXT NOT NULL,
        stored_at TEXT NOT NULL)""",
    "CREATE INDEX stored_folder_recording ON stored_folder (recording_id)",
    "ALTER TABLE discarded_folder ADD COLUMN place TEXT NOT NULL DEFAULT ''",
)
