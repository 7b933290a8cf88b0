"""Bounds for the chunks of `chunked:NAME`, for the settings and the command line."""

CHUNK_S = (1.0, 8.0)  # length; a shorter one gives the model too little context, a longer one takes too much memory
OVERLAP_S = (0.25, 2.0)  # of neighbouring chunks; must be shorter than a chunk
