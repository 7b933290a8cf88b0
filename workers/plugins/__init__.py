"""The denoisers of this project, registered by entry points, as those of other packages are. Imported by workers.files.

`passthrough` (changes nothing) · `rnnoise` (RNNoise, the fallback) · `deepfilternet` (DeepFilterNet2 and 3, streaming) · `chunked`
(`chunked:NAME`, an offline model on overlapping chunks, for files).
"""
