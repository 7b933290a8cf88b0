"""For the server's owner: who is suspended, links that set a new password, recovery codes, and the log of the owner's acts."""

STATEMENTS = (
    "ALTER TABLE user ADD COLUMN suspended BOOLEAN NOT NULL DEFAULT FALSE",
    """CREATE TABLE password_reset (
        user_id INTEGER NOT NULL PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
        digest TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL)""",
    """CREATE TABLE recovery_code (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        UNIQUE (user_id, digest))""",
    """CREATE TABLE audit_entry (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        actor TEXT NOT NULL,
        act TEXT NOT NULL,
        about TEXT NOT NULL)""",
)
