"""DeepFilterNet, one hop at a time or two: the engines that run it, and what CUDA runs, torch modules with explicit state.

    weights ─► workers.graphs (in the child workers.models.export) ─► graph file ─► onnx_engine.OnnxEngine ─► plugin
    folder ─► upstream.load ─► DfNet (offline) ─► deepfilternet3 (streaming) ─► torch_engine.TorchEngine ─┘   (CUDA)

torch and `df` are imported by workers on CUDA, by tests and by the bench only: of what is here, who serves on a CPU imports
`onnx_engine`, `hopwise` and `stft`.

Modules, in the order of the flow:
    stft            libdf's STFT of all voices of a batch at once
    hopwise         Two small constants of a graph that depend on how many hops a call has, and so are handed in with each
    onnx_engine     The engine of the CPU: a graph made by `workers.models.export`
    torch_engine    The engine of CUDA: the torch module itself
    cuda_graphs     CUDA graphs
    frames          Frames as every engine takes them
    hops            One hop or two in a call, by the same graph
    state_tensors   The flat state of a voice as tensors
    features        The two features of each frame and their running norms, carried from hop to hop
    layers          Upstream's blocks, rewritten for one hop
    blocks          What DeepFilterNet2 and 3 have in common
    postfilter      Upstream's post filter
    deepfilternet2  DeepFilterNet2 and its variant without look-ahead, one hop at a time, or two
    deepfilternet3  DeepFilterNet3, one hop at a time, or two
    filled          Upstream's net with the tensors of its own ONNX export
    standins        Empty modules where upstream imports packages that are not called here
    upstream        The `deepfilternet` package and its quirks
"""
