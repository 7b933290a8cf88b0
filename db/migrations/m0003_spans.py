"""What of a recording was heard uncleaned or not at all. Of older ones it is only known whether any of it was cleaned."""

STATEMENTS = (
    "ALTER TABLE recording ADD COLUMN spans TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE recording ADD COLUMN denoised_share REAL NOT NULL DEFAULT 0",
    "UPDATE recording SET denoised_share = denoised",
)
