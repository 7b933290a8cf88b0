"""What browsers are told at once, over WebSockets.

Modules, in the order of the flow:
    channel       One WebSocket as the doors see it
    message_rate  How many messages a second may come over one socket, or over several that share one bucket
    presence      Who is told what, at once
"""
