"""Weights -> streaming graph: `python -m workers.models.export NAME --weights PLACE --out FILE [--post-filter]`.

PLACE is a folder with config.ini and checkpoints/, or a file NAME_onnx.tar.gz; it is only read. FILE appears when it is complete and
ONNX Runtime has run it on noise; FILE.sha256 is written beside it. Exit status 1 and one line on failure. Runs in a process of its own
because importing onnx takes memory.

What is above `main` is light: `workers.models.store` takes names and checks from here.
"""

import argparse
import os
import re
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from workers.pdeathsig import leave_with_parent
from workers.weights.weights import checkpoint, sha256

FORMAT = 7  # version of the graph and its metadata; cached graphs of other versions are not used
DRAFT_S = 86_400.0  # an older draft is of an export that was killed
LEAST_SNR_DB = 90.0  # of hops in pairs against single hops, on noise (130 is usual)
KINDS = {  # for each denoiser what its config.ini must contain: the network's version, and the latency in samples
    "deepfilternet3": (3, 1440),
    "deepfilternet3_ll": (3, 480),
    "deepfilternet2": (2, 2400),
    "deepfilternet2_ll": (2, 480),
}


def graph_name(denoiser: str, weights: Path, post_filter: bool = False) -> str:
    """The file name of the graph made of the weights in this place. Reads them; raises OSError.

    With the post filter it is a graph of its own: a few products that nobody else pays for.
    """
    content = sha256(weights) if weights.is_file() else sha256(weights / "config.ini", checkpoint(weights))
    return f"{denoiser}-{content[:16]}-f{FORMAT}-{'postfilter-' * post_filter}ort{version('onnxruntime')}.onnx"


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
        if found is None or found[1] not in KINDS:
            continue  # not ours
        with suppress(OSError):
            draft = file.name.startswith(".") and time.time() - file.stat().st_mtime > DRAFT_S
            if int(found[2]) < FORMAT or draft:
                file.unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.models.export", description="Build a denoiser's streaming graph.")
    parser.add_argument("name", choices=list(KINDS))
    parser.add_argument("--weights", type=Path, required=True, help="folder with config.ini and checkpoints/, or NAME_onnx.tar.gz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--post-filter", action="store_true", help="with upstream's post filter in it")
    wanted = parser.parse_args(arguments)
    leave_with_parent()
    os.nice(10)  # live voices go first
    try:
        export(wanted.name, wanted.weights, wanted.out, wanted.post_filter)
    except Exception as error:  # noqa: BLE001  reported in one line, whatever numpy or onnx raised
        print(f"{wanted.name}: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def export(denoiser: str, weights: Path, out: Path, post_filter: bool = False) -> None:
    """Build the graph, check it and move it to `out`. Raises ValueError, OSError, RuntimeError."""
    import onnx

    from workers.graphs import place
    from workers.graphs.model import built

    configuration, tensors = place.read(weights)
    if (configuration.version, configuration.latency) != KINDS[denoiser]:
        found = next((name for name, kind in KINDS.items() if kind == (configuration.version, configuration.latency)), "nothing we know")
        raise ValueError(f"config.ini in {weights} is another model's: {found}")
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(out, os.getpid())
    try:
        onnx.save(built(configuration, tensors, post_filter, {"format": FORMAT, "denoiser": denoiser}), draft)
        check(draft)
        sum_file(out).write_text(f"{sha256(draft)}  {out.name}\n")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def check(file: Path) -> None:
    """Run the graph on 60 hops of noise, three voices at once in pairs of hops, and each alone hop by hop.

    Raises RuntimeError where the results differ, or are silent or not finite.
    """
    import numpy as np

    from workers.deepfilternet.onnx_engine import OnnxEngine

    graph = OnnxEngine(file)
    noise = np.random.default_rng(0).normal(0, 1e-3, (3, 2, 60, 481)).astype(np.float32)
    together, states = [], np.repeat(graph.open(), 3, axis=0)
    for hop in range(0, 60, graph.hops):
        clean, states = graph.run(np.ascontiguousarray(noise[:, :, hop : hop + graph.hops]), states)
        together.append(clean)
    pairs = np.concatenate(together, axis=2).astype(np.float64)
    signal = difference = 0.0
    for voice in range(3):
        state = graph.open()
        for hop in range(60):
            clean, state = graph.run(np.ascontiguousarray(noise[voice : voice + 1, :, hop : hop + 1]), state)
            signal += float((pairs[voice, :, hop] ** 2).sum())
            difference += float(((pairs[voice, :, hop] - clean[0, :, 0]) ** 2).sum())
    if not (np.isfinite(signal) and signal > 0):
        raise RuntimeError("the weights make no sound, or no numbers")
    if not signal > difference * 10 ** (LEAST_SNR_DB / 10):
        raise RuntimeError(f"the graph depends on how many hops it is given at once: {10 * np.log10(signal / difference):.0f} dB")


if __name__ == "__main__":
    sys.exit(main())
