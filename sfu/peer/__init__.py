"""One remote WebRTC end: ICE, DTLS and SRTP.

Modules, in the order of the flow:
    lean_imports   A module of a package whose own top level is not run
    srtp           SRTP of one peer
    dtls           DTLS of one peer
    ice_transport  Where one peer is reached
    transport      What one peer's datagrams go through, in and out
    peer           One remote WebRTC end, from its offer to its close
"""
