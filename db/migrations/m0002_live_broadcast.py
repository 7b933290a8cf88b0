"""What is on air, so that a restart can take it up."""

STATEMENTS = (
    """CREATE TABLE live_broadcast (
        id TEXT NOT NULL PRIMARY KEY,
        user_id INTEGER NOT NULL UNIQUE REFERENCES user (id) ON DELETE CASCADE,
        title TEXT NOT NULL,
        renamed INTEGER NOT NULL,
        since TEXT NOT NULL,
        boot TEXT NOT NULL,
        boot_s REAL NOT NULL,
        muted INTEGER NOT NULL,
        record INTEGER NOT NULL,
        denoise INTEGER NOT NULL,
        denoiser TEXT,
        strength_db REAL,
        resource TEXT NOT NULL,
        access TEXT NOT NULL)""",
)
