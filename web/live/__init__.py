"""Live audio over HTTP and WebSockets.

`live_routes` (the table of routes), `negotiation` (what WHIP and WHEP have in common), `whip`, `whep` and `turn` (offer in,
answer out, ICE servers), `broadcast_control` (the broadcaster's commands), `sockets` (presence and stream), `companions`
with `companion_session` and `companion_messages` (a phone beside the PC: its requests and socket, who is connected, what is
said), `socket_table` (all sockets, for readers and for the document of them), `logbook` (broadcasts that outlive a restart),
`self_test` (does a connection come up), `hear_yourself` (a private broadcast before one goes live), `revocation` (whether
those who are connected still may be). Imported by `web.routes`, `web.app` and `web.media` only.
"""
