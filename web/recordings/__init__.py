"""Recordings, from the end of a broadcast until they are deleted for good.

`archive` (rows, folders, and the task that finalises), `recordings` (lists, titles, outlines), `audio` with `transcoding` (the sound, in
the form that is asked for), `trash` with `tidying` (what is deleted, and what is too old) and `trusted_time` (whether the clock can be
believed when days are counted). Imported by `web.routes`, `web.app`, `web.media`, `web.live.companions`, `web.accounts` and `web.cli`.
"""
