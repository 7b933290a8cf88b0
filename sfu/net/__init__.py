"""Sockets: where datagrams arrive and leave, and the addresses that they go by.

Modules, in the order of the flow:
    bind              Where the media port listens
    media_port        The media port
    tcp               ICE over TCP (RFC 6544), passive
    acceptor          Accepting connections on the loop
    paths             A path
    sendmmsg          Many datagrams over one socket
    interface_watch   Tells when an address of this machine comes or goes
    address_follower  Keeps the media port where the machine is
"""
