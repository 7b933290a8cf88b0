"""Why a recording ended early is told in the words of the status: storage_full and failed."""

STATEMENTS = tuple(
    f"""UPDATE recording SET stats = replace(stats, '"{old}"', '"{new}"') WHERE stats LIKE '%"{old}"%'"""
    for old, new in (("disk_full", "storage_full"), ("disk_error", "failed"), ("disk_slow", "failed"), ("finalise_failed", "failed"))
)
