"""Sockets: where datagrams arrive and leave. Imported by sfu.peer and sfu.fanout, and by web.connections, web.live, web.media, web.cli.

Modules, in the order of the flow:
    bind              binds the UDP and TCP sockets of the media port
    media_port        reads datagrams and passes each on to its peer
    acceptor          accepts TCP connections, the web server's too
    tcp               ICE over TCP: connections, framing and limits
    pairs             candidate pairs, and the interfaces between sockets and peers
    sendmmsg          sends many datagrams with one system call
    interface_watch   notices when an address of this machine appears or disappears
    address_follower  binds and closes sockets of the media port accordingly
"""
