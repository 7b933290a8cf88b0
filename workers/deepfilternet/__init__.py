"""DeepFilterNet, one hop at a time or two: the engines that run it, and what CUDA runs, torch modules with explicit state.

    weights ─► workers.graphs (in the child workers.models.export) ─► graph file ─► graph.Graph ─► plugin
    folder ─► upstream.load ─► DfNet (offline) ─► deepfilternet3 (streaming) ─► eager.Eager ─┘   (CUDA)

torch and `df` are imported by workers on CUDA, by tests and by the bench only: of what is here, who serves on a CPU imports
`graph`, `hopwise`, `layout` and `stft`.
"""
