"""From weights to a model that a denoiser can load.

- store: the server's list of which denoisers can run, which has weights fetched and graphs exported
- export: the process that builds a graph from weights; cuda: whether torch can use CUDA, and which device models run on

Imported by the server and by files.
"""
