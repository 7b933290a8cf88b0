"""DeepFilterNet, one hop or two in a call: the engines, and the network as torch modules. Imported by workers.plugins and workers.models.

    weights ─► workers.graphs (in the child workers.models.export) ─► graph file ─► onnx_engine.OnnxEngine ─► plugin
    folder ─► upstream.load ─► DfNet (offline) ─► deepfilternet3 (streaming) ─► torch_engine.TorchEngine ─┘   (CUDA)

On a CPU: `stft` (libdf's STFT for a batch of voices) · `hopwise` (inputs of a graph that depend on the number of hops) · `onnx_engine`
(runs a graph file). On CUDA, and in tests and benchmarks, with torch: `torch_engine` (runs the torch module) · `cuda_graphs` (launches
all its kernels at once) · `hops` (the layout of a call's hops) · `state_tensors` (the flat state of a voice as tensors) · `features`
(ERB levels and normalised bins) · `layers` (upstream's layers for single hops) · `blocks` (what both networks share) · `postfilter` ·
`deepfilternet2`, `deepfilternet3` (the networks) · `upstream` (loads models with the package `df`), with `filled` (puts the tensors of
an ONNX export into its network) and `standins` (empty modules for packages that `df` imports and does not need).
"""
