"""A sound file through a denoiser: the parts of `python -m workers.denoise`.

    IN ─► source ─► blocks at 48 kHz ─► cleaning ─► target ─► OUT        choice: name -> denoiser, ready to use
              └────────────────────────────┴──────► spectrogram ─► picture

Everything streams: a file of any length takes the memory of a short one. Chunked denoisers keep one chunk.
"""
