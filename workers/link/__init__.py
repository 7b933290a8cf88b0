"""The server's side of a denoise worker: all of it that the server imports, light and never blocking.

- opus_toc: how long an Opus packet lasts, and its channels
- ring: packets in shared memory; bell: the eventfd that wakes the other side; control: the messages beside the packets
- worker: one voice's worker process, as the server sees it
- forkserver: the process that starts workers, as the server sees it

May be imported by everybody; imports only the modules of `workers` itself.
"""
