"""Signalling through any node: a client's request goes to the node that has what it is about; sound goes straight to that node.

Modules, in the order of the flow:
    owners          Which node a request is for, and the middleware that passes it on
    takeover        Goes on here with a broadcast whose node leaves or does not answer
    proxying        Passes a request on, and hands the answer back
    stream_sockets  Follows broadcasts at other nodes, one socket for all who watch here
    parts_elsewhere Fetches the parts of recordings that other nodes have, and gives them this one's
    inside          What other nodes ask of this one
    leaving         Before the end: what is on air here goes on at the others
    wiring          Puts these together with the gate and the client of `web.nodes`

Imported by app, and only where `node.url` is set.
"""
