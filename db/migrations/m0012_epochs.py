"""The fence between servers: which epoch of a broadcast is the newest, and which parts a recording has, one for each owner."""

STATEMENTS = (
    "ALTER TABLE user ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE broadcast_epoch (
        broadcast TEXT NOT NULL PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
        epoch INTEGER NOT NULL)""",
    "CREATE INDEX broadcast_epoch_user ON broadcast_epoch (user_id, epoch)",
    """CREATE TABLE recording_part (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        recording_id INTEGER NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
        node TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        from_s REAL NOT NULL,
        to_s REAL,
        sha256 TEXT,
        UNIQUE (recording_id, epoch, node))""",
)
