"""Records a broadcast while it is live. sfu.broadcast imports this room, and web.recordings for the totals.

Modules, in the order of the flow:
    broadcast_recording  asks the archive for a row, keeps the packets until there is one, hands the totals back at the end
    recorder             queues packets on the event loop and writes them to Ogg files in a thread of its own
"""
