"""From weights to a model that a denoiser can load.

- store: the server's list of which denoisers can run, which has weights fetched and graphs exported
- export: the process that builds a graph from weights; cuda: whether torch can use CUDA

Imported by the server and by files.
"""
