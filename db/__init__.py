"""The rows: a SQLite file or a PostgreSQL database, and the functions that ask it. Knows nothing of HTTP, media or denoising.

- connection: threads and transactions; engines: what it needs of a kind of database; bound: which one the tables are in; standing:
  whether the database can be used now; errors: refusals; tables, owner_tables: the tables as classes; columns: types of columns; the room
  migrations: the schema
- sqlite, opening: checks and creates the file; faults: what SQLite's errors mean; row_copy: a copy of it for a backup; on_disk: waits
  for the disk; before_migrating: a copy before newer migrations; going_back: from it, and what was written since, to rows of the older
  version
- postgres, postgres_opening: checks and migrates the database; postgres_faults: what PostgreSQL's errors mean; copying: from SQLite to
  PostgreSQL; postgres_copy: from it to SQLite, for a backup; postgres_restoring: a backup's rows into it; long_transaction: that of a
  command; driverless: keeps its driver out of servers on SQLite
- caps: limits an account; locks: of rows; expiry: whether something is still valid; known_time: the last trusted time
- users, preferences, ownership, logins, tokens, invites, links, revocation, search, friendships: accounts and what belongs to them
- people, audit: what the server's owner asks and does, and the log of it; resets, recovery: ways back in without the password
- broadcasts, recordings, recording_parts, stored_folders, chapters, trash, companions: what is on air and what was recorded; epochs:
  the fence between servers that own a broadcast one after the other

Imported by web alone. All functions but those of connection are plain and run in a database thread.
"""
