"""What an account wants the page to remember."""

STATEMENTS = (
    """CREATE TABLE preferences (
        user_id INTEGER NOT NULL PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
        content TEXT NOT NULL)""",
)
