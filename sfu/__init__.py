"""The media plane: forwards Opus packets and never decodes one. It imports nothing of `web` or `db`.

    mic ──► peer ──► ingest ──► ring ──► worker ──► ring ──► fanout ──► peer ──► ear
                                                               └──► recording ──► file

These modules belong to no single room of it; every room of sfu may import them, and web may too:
    errors             What the media plane refuses a client, and how a worker fails
    tasks              Start a task, call a function periodically, cancel a task and wait
    deadline_timer     One timer for the earliest of many deadlines
    rolling_quantiles  Median and 99th percentile of the newest measurements
    histogram          How many measurements fell into each of some ranges
    drop_counters      Packets and events by reason, summed over all peers and broadcasts
    rfc3339            Moments as RFC 3339 text, in UTC
    standstill         Notices that this process did not run for a while, so that no time-out counts that time
    elapsed            Time since a moment that may lie before a restart of the server or the machine
"""
