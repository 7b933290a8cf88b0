"""A sound file through a denoiser: the parts of `python -m workers.files.main`.

    IN ─► source ─► blocks at 48 kHz ─► cleaning ─► target ─► OUT        choice: name -> denoiser, ready to use
              └────────────────────────────┴──────► spectrogram ─► picture

Of the source: parts (which sounds lie in the file; chunks, ebml, boxes, links and mpeg know the containers) ─► track (one of them, decoded;
gaps puts its frames in their places, extent says where it begins and ends) ─► stretch (frames of one kind at 48 kHz).

Everything streams: a file of any length takes the memory of a short one. Chunked denoisers keep one chunk.
"""
