"""Recordings, from the end of a broadcast until they are deleted for good.

`recording_routes` (the table of routes), `archive` (rows, `folders`, and the task that finalises by `finalising`), `fence` (the epochs of
several servers), `object_store` with `uploads` and `sendings` (moves them to S3 where one is set), `recording_files` (reads them here or
there), `joining` with `part_files`, `stored_parts` and `heirs` (what several servers have of one recording), `open_files`, `recordings`
(lists, titles, outlines), `audio` with `transcoding` (the sound, in the form that is asked for), `trash` with `tidying` (what is deleted,
and what is too old) and `trusted_time` (whether the clock can be believed when days are counted). Imported by `web.routes`, `web.app`,
`web.media`, `web.live.companions`, `web.accounts` and `web.cli`.
"""
