"""Whose server it is, as a row of its own: so far it was the oldest account's."""

STATEMENTS = (
    """CREATE TABLE ownership (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        user_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
        nonce TEXT NOT NULL)""",
    "CREATE INDEX ownership_user ON ownership (user_id)",
    "INSERT INTO ownership (id, user_id, nonce) SELECT 1, (SELECT min(id) FROM user), lower(hex(randomblob(16)))",
)
