"""Deleted recordings stay for a while, files are named before they are deleted, and the last trusted time is kept."""

STATEMENTS = (
    "ALTER TABLE recording ADD COLUMN deleted_at TEXT",
    "ALTER TABLE recording ADD COLUMN counts_from TEXT",
    "ALTER TABLE recording ADD COLUMN recounted INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX recording_deleted ON recording (deleted_at) WHERE deleted_at IS NOT NULL",
    "CREATE TABLE discarded_folder (folder TEXT NOT NULL PRIMARY KEY)",
    "CREATE TABLE trusted_time (id INTEGER PRIMARY KEY CHECK (id = 1), moment TEXT NOT NULL)",
)
