"""Sends every packet of a broadcast to every listener, in the variant that each hears. sfu.broadcast imports this room, and
web.media for the names of its drop counters.

Modules, in the order of the flow:
    fanout          takes originals and denoised packets, sends each number once, and answers the listeners' RTCP
    hold            the delay line in which originals wait for their denoised counterparts
    listener        one listener: its peer, its variant, its receiver reports
    groups          listeners that get the same plaintext; builds RTP packets and keeps them for retransmission
    recipients      the members of a group, and what was sent to each
    send_buffers    one buffer a listener: encrypts the packet in place and sends it
    sender_reports  RTCP sender reports, every five seconds
"""
