"""From what a listen link or an invite is derived, so that its owner can see the address again. Null: made before, and shown once only."""

STATEMENTS = (
    "ALTER TABLE listen_link ADD COLUMN nonce TEXT",
    "ALTER TABLE invite ADD COLUMN nonce TEXT",
)
