"""The denoisers of this project, by the entry points that strangers' use too.

Modules, in the order of the flow:
    passthrough    Takes nothing out
    rnnoise        RNNoise
    deepfilternet  DeepFilterNet, streaming
    chunked        `chunked:NAME`
"""
