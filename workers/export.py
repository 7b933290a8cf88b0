"""Weights -> streaming graph: `python -m workers.export NAME --weights FOLDER --out FILE [--post-filter]`.

The one process that imports torch and the `deepfilternet` package; it ends when the file is there. FILE is put in its
place whole, after ONNX Runtime has run it on noise and agreed with torch; beside it stands FILE.sha256. The weights
folder is only read. Exit 1 and one line where it did not work.

What is above `main` is light: the server's models.py takes names and checks from here.
"""

import argparse
import json
import os
import re
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.parent import leave_with_parent
from workers.weights import FAMILIES, Family, checkpoint, sha256

if TYPE_CHECKING:
    from workers.streaming.deepfilternet2 import DeepFilterNet2
    from workers.streaming.deepfilternet3 import DeepFilterNet3

    Net = DeepFilterNet2 | DeepFilterNet3

FORMAT = 5  # of the graph and its description; a new one leaves old cache files unused
DRAFT_S = 86_400.0  # no export takes so long
LEAST_SNR_DB = 90.0  # of the exported graph against torch, on noise (130 is usual)


def graph_name(denoiser: str, weights: Path, post_filter: bool = False) -> str:
    """The file name of the graph made of these weights by the installed libraries. Reads the weights; raises OSError.

    With the post filter it is a graph of its own: a few products that nobody else pays for.
    """
    content = sha256(weights / "config.ini", checkpoint(weights))
    libraries = f"torch{version('torch')}-ort{version('onnxruntime')}".replace("+", "_")
    return f"{denoiser}-{content[:16]}-f{FORMAT}-{'postfilter-' * post_filter}{libraries}.onnx"


def sum_file(graph: Path) -> Path:
    return graph.with_name(graph.name + ".sha256")


def is_whole(graph: Path) -> bool:
    """Whether the file is, byte for byte, what an export put there."""
    try:
        return sum_file(graph).read_text("ascii", "replace").split()[:1] == [sha256(graph)]
    except OSError:
        return False


def draft_of(out: Path, pid: int) -> Path:
    """What the export with this process id writes, until it is whole."""
    return out.with_name(f".{out.name}.{pid}")


def tidy(cache: Path) -> None:
    """Take away graphs of older formats, and drafts of exports that were killed. What cannot be taken away stays."""
    for file in (*cache.glob("*.onnx*"), *cache.glob(".*.onnx.*")):
        found = re.fullmatch(r"\.?(\w+)-[0-9a-f]{16}-f(\d+)-.*\.onnx(\..*)?", file.name)
        if found is None or found[1] not in FAMILIES:
            continue  # not ours
        with suppress(OSError):
            draft = file.name.startswith(".") and time.time() - file.stat().st_mtime > DRAFT_S
            if int(found[2]) < FORMAT or draft:
                file.unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.export", description="Export a denoiser's streaming graph.")
    parser.add_argument("name", choices=list(FAMILIES))
    parser.add_argument("--weights", type=Path, required=True, help="folder with config.ini and checkpoints/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--post-filter", action="store_true", help="with upstream's post filter in it")
    wanted = parser.parse_args(arguments)
    leave_with_parent()
    os.nice(10)  # somebody may be talking meanwhile
    try:
        export(FAMILIES[wanted.name], wanted.weights, wanted.out, wanted.post_filter)
    except Exception as error:  # noqa: BLE001  this is the process's last word, whatever upstream or torch raised
        print(f"{wanted.name}: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def export(family: Family, weights: Path, out: Path, post_filter: bool = False) -> None:
    """Make the graph, check it against torch, put it in its place."""
    from workers.streaming.upstream import load

    module, _, name = family.streaming.partition(":")
    net = getattr(import_module(module), name)(load(weights, post_filter)).eval()
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(out, os.getpid())
    try:
        write_graph(net, family, draft)
        check(net, draft)
        sum_file(out).write_text(f"{sha256(draft)}  {out.name}\n")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def write_graph(net: "Net", family: Family, file: Path) -> None:
    """Export with the voices and their hops (1 or 2) as free dimensions, and the description that the plugin reads."""
    import onnx
    import torch

    from workers.streaming.frames import Frames

    example = (torch.randn(3, 2, 481, 2), net.state.initial(3))
    inputs, outputs = ["spectrum", "state"], ["clean", "after"]
    free = {name: {0: "voices"} for name in ("state", "after")} | {name: {0: "voices", 1: "hops"} for name in ("spectrum", "clean")}
    with warnings.catch_warnings(), torch.no_grad():
        # The newer exporter makes loops of GRU steps; this one makes the GRU operator, and torch is pinned.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Frames(net), example, file, dynamo=False, opset_version=18, input_names=inputs, output_names=outputs, dynamic_axes=free
        )  # fmt: skip
    model = onnx.load(file)
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in description(net, family).items()})
    onnx.save(model, file)


def description(net: "Net", family: Family) -> dict[str, Any]:
    from workers.streaming.layout import HOPS

    return {
        "format": FORMAT,
        "denoiser": family.denoiser,
        "post_filter": net.post_filter,
        "latency": net.latency,
        "look_ahead": net.look_ahead,
        "hops": HOPS,
        "parts": [asdict(part) for part in net.state.parts],
    }


def check(net: "Net", file: Path) -> None:
    """Run the graph beside torch: 75 hops of noise, one or two a call, three voices. Raises RuntimeError where they differ too much."""
    import numpy as np
    import torch

    from workers.streaming.graph import open_session
    from workers.streaming.layout import HOPS

    session = open_session(file)
    torch.manual_seed(0)
    ours = theirs = net.state.initial(3)
    signal = noise = 0.0
    for turn in range(50):
        spectrum = torch.randn(3, 1 + turn % HOPS, 2, 481) * 1e-3
        with torch.no_grad():
            clean, ours = net(spectrum, ours)
        frames = np.ascontiguousarray(spectrum.numpy().transpose(0, 1, 3, 2))
        graph_clean, after = session.run(None, {"spectrum": frames, "state": theirs.numpy()})
        theirs = torch.from_numpy(after)
        signal += float((clean.double() ** 2).sum())
        noise += float(((clean.double().transpose(2, 3) - torch.from_numpy(graph_clean)) ** 2).sum())
    if not (np.isfinite(signal) and signal > 0):
        raise RuntimeError("the weights make no sound, or no numbers")
    if not signal > noise * 10 ** (LEAST_SNR_DB / 10):
        raise RuntimeError(f"the graph differs from torch: {10 * np.log10(signal / noise):.0f} dB")


if __name__ == "__main__":
    sys.exit(main())
