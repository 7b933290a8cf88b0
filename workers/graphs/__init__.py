"""Builds streaming graphs from weights, with numpy and onnx only.

`workers.models.export` imports this room; engines import `state_layout` only, which needs nothing but numpy.

    place ─► exported ─────────────┐                     ┌─ features ─ convolutions ─┐
          └► checkpoint ─► folding ┴─► shapes.checked ─► ┤  embedding ─ coefficients ├─► nets ─► model ─► ONNX
             configuration                               └─ bands (banks), writer ───┘

- errors: what is wrong with weights, in one line
- configuration: config.ini
- shapes: the tensors of a model by name
- exported: upstream's ONNX export (workers/weights/tars.py unpacks it)
- checkpoint, folding: upstream's checkpoint, read without torch
- place: from a place of weights, of either layout, to its tensors
- banks: the ERB bands
- writer: nodes and constants of a graph
- state_layout: what a voice carries from hop to hop, as one vector: the engines know it too
- memory: what a voice carries from call to call, inside the graph
- features, convolutions, embedding, coefficients: the parts of the networks
- nets: DeepFilterNet2 and 3 put together
- model: the ONNX model with its description
"""
