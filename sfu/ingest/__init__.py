"""A broadcaster's packets, in order and on the broadcast's time line. Imported by sfu.broadcast and web.media only.

Modules, in the order of the flow:
    ingest           takes each packet of the broadcaster, hands it through the others, and asks for what is missing
    backlog          tells packets that waited while this process stood still
    flood_limit      limits how much sound may come, as a token bucket
    reorder_buffer   puts packets into the order they were sent in, and gives up what does not come
    timeline         lays RTP time stamps of any sender on the one time line of the broadcast
    mute             replaces the sound of packets with silence while the broadcaster is muted
    reception_stats  computes what receiver reports tell the broadcaster
"""
