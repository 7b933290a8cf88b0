"""A broadcaster's packets, in order and on the broadcast's time line.

Modules, in the order of the flow:
    ingest           A broadcaster's packets, put in order and on the broadcast's one time line
    reorder_buffer   Packets into the order they were sent in
    timeline         The broadcast's one time line
    mute             Mute as ingest enforces it
    reception_stats  What a receiver report tells the broadcaster of one stream
"""
