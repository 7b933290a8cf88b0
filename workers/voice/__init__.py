"""A worker process: from noisy Opus packets to clean ones, for one voice or several. The hot path.

- process: the loop over all voices of the process; voice: one voice between its two rings
- pipeline: packet -> packet; loss_recovery: decodes, with FEC and concealment for lost packets
- crossfade: two denoisers during a change; stage: one denoiser, its strength and padding
- hop_batch: hops of many voices cleaned in one call; fifo: a queue of samples; opus: libopus

Imported by forkserver; `opus` and `stage` also by recordings and files.
"""
