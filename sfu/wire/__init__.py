"""What goes over the wire, read and written. Pure: no event loop, no clock, no log.

Modules, in the order of the flow:
    stun          STUN as an ICE-lite end needs it
    ice           ICE-lite
    sdp           What is agreed on with a peer
    sdp_parser    A session description as sections of attributes
    offer         An offer in
    candidates    Which of our addresses an answer offers, and the lines that say so
    answer        An answer out
    sdp_fragment  Trickle fragments
    rtp           RTP headers and sequence arithmetic
    rtcp          RTCP: sender and receiver reports, CNAME, BYE (RFC 3550 §6) and generic NACK (RFC 4585 §6.2.1)
    red           RED, redundant audio
"""
