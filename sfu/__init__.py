"""The media plane: packets, never samples.

    mic ──► peer ──► ingest ──► ring ──► worker ──► ring ──► fanout ──► peer ──► ear
                                                               └──► recorder ──► file

One UDP socket an address (`udp`) tells STUN, DTLS and SRTP apart and hands each datagram to the `transport` of its `peer`. A
broadcaster's packets are put in order and on one time line by `ingest`, go straight to `fanout` as `original` and over a
ring to the worker (`denoise`), whose packets come back numbered alike. `broadcast` owns those parts and their ends;
`switchboard` knows who is on air.
"""
