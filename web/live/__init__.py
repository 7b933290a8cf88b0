"""Live audio over HTTP and WebSockets.

`negotiation` (what WHIP and WHEP have in common), `whip`, `whep` and `turn` (offer in, answer out, ICE servers), `broadcast_control`
with `stream_status` (the broadcaster's commands, and the status as a struct), `sockets` (presence and stream), `companions` with
`companion_session` and `companion_messages` (a phone beside the PC: its requests and socket, who is connected, what is said), `logbook`
(broadcasts that outlive a restart) and `self_test` (does a connection come up), `revocation` (whether those who are
connected still may be). Imported by `web.routes`, `web.app` and `web.media` only.
"""
