"""Chapters as rows, the parts of names for the search, and indices for the questions that are asked while people talk.

The column `recording.chapters` is empty from here on: SQLite cannot drop a column before 3.35.
"""

_PLACES = ", ".join(f"({place})" for place in range(2, 33))  # where a part may begin: at the first letter it is the name itself
_PARTS = f"""SELECT substr({{name}}, place.column1), {{user}} FROM {{source}}(VALUES {_PLACES}) AS place
        WHERE place.column1 <= length({{name}})"""

STATEMENTS = (
    """CREATE TABLE chapter (
        recording_id INTEGER NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        at_s REAL NOT NULL,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (recording_id, place)) WITHOUT ROWID""",
    """INSERT INTO chapter (recording_id, place, at_s, kind, text)
        SELECT recording.id, each.key, coalesce(json_extract(each.value, '$.at_s'), 0),
            coalesce(json_extract(each.value, '$.kind'), 'chord'), coalesce(json_extract(each.value, '$.text'), '')
        FROM recording, json_each(CASE WHEN json_valid(recording.chapters) THEN recording.chapters ELSE '[]' END) AS each
        WHERE each.type = 'object'""",
    "UPDATE recording SET chapters = '[]' WHERE chapters <> '[]'",
    """CREATE TABLE name_part (
        part TEXT NOT NULL COLLATE NOCASE,
        user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
        PRIMARY KEY (part, user_id)) WITHOUT ROWID""",
    "CREATE INDEX name_part_user ON name_part (user_id)",
    f"INSERT INTO name_part (part, user_id) {_PARTS.format(name='user.username', user='user.id', source='user, ')}",
    f"""CREATE TRIGGER name_parts AFTER INSERT ON user BEGIN
        INSERT INTO name_part (part, user_id) {_PARTS.format(name="new.username", user="new.id", source="")};
        END""",
    "CREATE INDEX recording_of_user ON recording (user_id)",
    "CREATE INDEX recording_size ON recording (user_id, size_bytes)",
    "CREATE INDEX recording_state ON recording (state, started_at)",
    "CREATE INDEX login_seen ON login (seen_at)",
    "CREATE INDEX friend_request_pair ON friend_request (asker_id, asked_id, status)",
    "CREATE INDEX friend_request_to ON friend_request (asked_id, status)",
    "CREATE INDEX friend_request_from ON friend_request (asker_id, status)",
    "DROP INDEX friend_request_asked",
)
