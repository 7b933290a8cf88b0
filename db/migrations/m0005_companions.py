"""Companion sessions and the passes of their devices, by digest."""

STATEMENTS = (
    """CREATE TABLE companion_session (
        id TEXT NOT NULL PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('practice', 'remote')),
        digest TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL)""",
    "CREATE INDEX companion_session_user ON companion_session (user_id)",
    """CREATE TABLE companion_pass (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id TEXT NOT NULL REFERENCES companion_session (id) ON DELETE CASCADE,
        digest TEXT NOT NULL UNIQUE)""",
    "CREATE INDEX companion_pass_session ON companion_pass (session_id)",
)
