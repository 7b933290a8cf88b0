"""A recording while it is made.

Modules, in the order of the flow:
    broadcast_recording  The recording of one broadcast
    recorder             A listener whose ear is a file
"""
