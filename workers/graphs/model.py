"""The ONNX model of a network, with the description that the engine reads."""

import json
from dataclasses import asdict
from typing import Any

from onnx import helper

from workers.graphs import nets
from workers.graphs.configuration import BINS, Configuration
from workers.graphs.memory import Memory
from workers.graphs.shapes import Tensors
from workers.graphs.state_layout import HOPS
from workers.graphs.writer import FLOAT, INT64, Writer, graph, info

OPSET = 18
IR = 9


def built(of: Configuration, tensors: Tensors, post_filter: bool, described: dict[str, Any]) -> Any:
    """The streaming model: spectrum and state in, clean frames and state out, for any number of voices and hops.

    `steps`, `picks` and `waits` are constants that depend on the number of hops. described: what else the description is to say.
    """
    writer, layout = Writer(), nets.parts(of)
    memory = Memory(writer, "state", layout)
    clean = nets.Net(writer, memory, tensors, of, post_filter).write("spectrum", "steps", "picks", "waits")
    size = sum(part.size for part in layout)
    for inner, outer in ((clean, "clean"), (memory.joined(), "after")):
        for node in writer.nodes:
            node.output[:] = [outer if name == inner else name for name in node.output]
            node.input[:] = [outer if name == inner else name for name in node.input]
    inputs = [
        info("spectrum", FLOAT, "voices", 2, "hops", BINS),
        info("state", FLOAT, "voices", size),
        info("steps", INT64, "hops"),
        info("picks", INT64, 2, 10, "hops"),
        info("waits", INT64, of.pathway_frames - 1),
    ]
    outputs = [info("clean", FLOAT, "voices", 2, "hops", BINS), info("after", FLOAT, "voices", size)]
    model = helper.make_model(
        graph(writer, "deepfilternet", inputs, outputs),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="hushcast",
    )
    description = {
        **described,
        "post_filter": post_filter,
        "latency": of.latency,
        "look_ahead": of.look_ahead,
        "hops": HOPS,
        "pathway_frames": of.pathway_frames,
        "parts": [asdict(part) for part in layout],
    }
    helper.set_model_props(model, {key: json.dumps(value) for key, value in description.items()})
    return model
