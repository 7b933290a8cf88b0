"""The engine of the CPU: a graph made by `workers.models.export`, run by ONNX Runtime in the caller's thread."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.deepfilternet.hopwise import picks, steps, waits
from workers.errors import OptionError
from workers.graphs.state_layout import Part, held, initial

Floats = npt.NDArray[np.float32]


class OnnxEngine:
    """Owns a session without threads; a fork may use it. States of voices are the rows of float32[n, size]."""

    def __init__(self, file: Path) -> None:
        """Raises OptionError for a file that is no graph, or not one of ours."""
        self._session = open_session(file)
        self._describe(self._session.get_modelmeta().custom_metadata_map)

    def _describe(self, properties: Mapping[str, str]) -> None:
        try:
            known = {key: json.loads(properties[key]) for key in ("latency", "look_ahead", "hops", "pathway_frames", "parts")}
            parts = [Part(**{**part, "shape": tuple(part["shape"])}) for part in known["parts"]]
        except (KeyError, ValueError, TypeError) as error:
            raise OptionError(f"the graph lacks its description: {error}") from error
        self.latency, self.look_ahead, self.hops = int(known["latency"]), int(known["look_ahead"]), int(known["hops"])
        self._initial, self._held = initial(parts), held(parts)
        wait = int(known["pathway_frames"]) - 1
        self._hopwise = {n: {"steps": steps(n), "picks": picks(n), "waits": waits(n, wait)} for n in range(1, self.hops + 1)}

    def open(self) -> Floats:
        """The state of a voice that has not heard anything: float32[1, size]."""
        return self._initial[None]

    def gather(self, rows: Sequence[tuple[Floats, int]]) -> Floats:
        """States that lie in several arrays, each as (array, row): float32[n, size]."""
        return np.concatenate([states[row : row + 1] for states, row in rows])

    def run(self, frames: Floats, states: Floats) -> tuple[Floats, Floats]:
        """As many hops of each voice: float32[n, 2, hops, 481] and their states -> frames and states that are the caller's."""
        clean, after = self._session.run(None, {"spectrum": frames, "state": states, **self._hopwise[frames.shape[2]]})
        return clean, after

    def hold(self, states: Floats, row: int) -> None:
        """Make the state in this row one of the look-ahead: convolutions and GRUs have not begun."""
        np.copyto(states[row], self._initial, where=self._held)


def open_session(file: Path) -> Any:
    """An ONNX Runtime session that runs in the caller's thread alone. Raises OptionError."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else it writes to the user's cache, starts a thread and phones home
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # digital silence would be slow otherwise
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise OptionError(f"the graph {file.name} cannot be loaded: {error}") from error
