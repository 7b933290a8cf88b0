"""DeepFilterNet, one hop at a time: torch modules with explicit state, and their export to ONNX.

    folder ─► upstream.load ─► DfNet (offline) ─► DeepFilterNet3 (streaming) ─► workers.export ─► graph ─► plugins.deepfilternet

Nothing here runs in a resident process: torch and `df` are imported by the export child, by tests and by the bench only.
"""
