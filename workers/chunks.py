"""How long the pieces may be on which `chunked:NAME` works: the one place for the settings and for the command line."""

CHUNK_S = (1.0, 8.0)  # shorter, and the model knows too little of what was before; longer, and it takes too much memory
OVERLAP_S = (0.25, 2.0)  # of two pieces; shorter than a piece
