"""One broadcast with all its parts, and the switchboard that owns every broadcast. Imported by web.

`switchboard` (publish, subscribe, end), with `grants` (what a media session is allowed by) and `media_session` (WHIP and WHEP) ·
`broadcast` (owns the parts of one broadcast), made from `services`, in the states of `states` · `source` (the broadcaster's peers) ·
`adaptation` (packet time, expected loss) · `loudness` (levels) · `heard` (what `auto` listeners were sent) · `audience` (the
listeners' peers) · `properties` (start, title, mute) · `snapshots` (to resume after a restart) · `status` (as JSON).
"""
