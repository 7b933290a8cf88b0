"""The media plane: packets, never samples.

    mic ──► peer ──► ingest ──► ring ──► worker ──► ring ──► fanout ──► peer ──► ear
                                                               └──► recorder ──► file

One UDP socket an address (`udp`) tells STUN, DTLS and SRTP apart and hands each datagram to the `transport` of its `peer`. A
broadcaster's packets are put in order and on one time line by `ingest`, go straight to `fanout` as `original` and over a
ring to the worker (`denoise`), whose packets come back numbered alike. `broadcast` owns those parts and their ends;
`switchboard` knows who is on air.

Modules, in the order of the flow:
    errors             The whole taxonomy of failures, sorted by whose fault it is, for that decides the cure
    tasks              Tasks that last until their owner ends them
    deadline_timer     One timer for the earliest of many deadlines
    rolling_quantiles  The median and the worst of the last few hundred measurements
    drop_counters      What was dropped, by reason, summed over all who drop
    standstill         Time that this process stood still (SIGSTOP, a virtual machine's snapshot
    elapsed            How long ago something began, over a restart of the server and of the machine
"""
