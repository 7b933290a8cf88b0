"""What goes over the wire, read and written. Pure: no event loop, no clock, no log. May be imported by sfu, and by web.connections,
web.live and web.media; imports sfu.errors alone.

Modules, in the order of the flow:
    sdp           offers and descriptions as values
    sdp_parser    splits SDP text into sections with attributes
    offer         reads an offer
    candidates    chooses the addresses that an answer offers
    answer        writes the answer
    sdp_fragment  reads and writes trickle fragments
    stun          parses Binding requests, builds signed responses
    ice           answers Binding requests as an ICE-lite end
    rtp           RTP headers and the arithmetic of sequence numbers and time stamps
    red           RED payloads (redundant audio)
    rtcp          RTCP reports, NACK and BYE
"""
