"""DeepFilterNet, one hop at a time or two: torch modules with explicit state, their export to ONNX, and the engines that run them.

    folder ─► upstream.load ─► DfNet (offline) ─► DeepFilterNet3 (streaming) ─► workers.export ─► graph ─► graph.Graph ─► plugin
                                                         └──────────────────────────────────────────► eager.Eager (CUDA) ──┘

torch and `df` are imported by the export child, by workers on CUDA, by tests and by the bench only: of what is here, the
nursery imports `graph` and `layout`.
"""
