"""What WebSockets tell browsers as it happens.

Modules, in the order of the flow:
    message_rate     Limits the messages a second of one socket, or of several together
    node_messages    What the servers of one community tell each other, and who tells them
    socket_messages  The messages of the presence and stream sockets as structs
    stream_status    The status of a broadcast as a struct
    channel          One WebSocket: send queue, heartbeat, close codes
    subscriptions    Which sockets are told of which name
    elsewhere        What is asked about broadcasts at other servers
    friend_sockets   Tells presence sockets of their users' friends and requests
    presence         Knows every open socket, and tells each what happens

Imported by auth, accounts, live, signalling, operations, media and app.
"""
