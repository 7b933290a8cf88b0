"""The rows: one SQLite file, and the functions that ask it. Knows nothing of HTTP, media or denoising.

- connection: threads and transactions; opening: checks and creates the file; faults: what SQLite's errors mean; standing: whether
  the database can be used now; errors: refusals; tables: the tables as classes; the room migrations: the schema
- caps: limits an account; expiry: whether something is still valid; known_time: the last trusted time
- users, ownership, logins, tokens, invites, links, revocation, search, friendships: accounts and what belongs to them
- broadcasts, recordings, chapters, trash, companions: what is on air and what was recorded

Imported by web alone. All functions but those of connection are plain and run in a database thread.
"""
