"""One broadcast with all its parts, and the switchboard that owns every broadcast. Imported by web.

`switchboard` (publish, subscribe, end), with `grants` (what a media session is allowed by), `media_session` (WHIP and WHEP) and
`moves` (which broadcasts are this server's while some go to another) ·
`broadcast` (owns the parts of one broadcast), made from `services`, in the states of `states`, parked for the `grace_time` ·
`source` (the broadcaster's peers) · `controls` (what the broadcaster may change) · `auto_variant` (keeps fan-out and worker in step) ·
`adaptation` (packet time, expected loss) · `loudness` (levels) · `heard` (what `auto` listeners were sent) · `audience` (the
listeners' peers) · `properties` (start, title, mute) · `recorded` (its recordings, one at a time) · `snapshots` (to resume after a
restart) · `status` (as JSON) · `meters` (what all broadcasts count and measure together).
"""
