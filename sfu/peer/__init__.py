"""One remote WebRTC end: ICE, DTLS and SRTP. Imported by sfu.broadcast, sfu.fanout, web.live and web.media.

Modules, in the order of the flow:
    lean_imports   imports one module of aiortc without running the rest of the package
    endpoint       what all peers share, and what an answer offers a client
    ice_transport  answers Binding requests and chooses the candidate pair that the peer is sent to
    dtls           agrees on the keys, with aiortc's DTLS transport
    srtp           encrypts and decrypts packets, with libsrtp
    transport      takes a peer's datagrams from the sockets through these three, and sends by them
    peer           the peer as its owner sees it: state, deadlines, callbacks, ICE restarts
"""
