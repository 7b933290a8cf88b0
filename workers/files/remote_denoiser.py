"""A denoiser in a process of its own, in the Python that has its library: for files and comparison, not for live voices.

`RemoteDenoiser` is a denoiser like any other. Its process is this module: `-m workers.files.remote_denoiser JSON`, with JSON
{"denoiser": NAME, "options": {...}, "parent": PID}. Both may be of different Python versions, so only bytes go between them:
- first the process writes a line of JSON, {"latency", "blocks"} or {"error", "reason"};
- a call is a head of three numbers (voices, samples of each, voices closed), the voices' numbers (a new number opens a voice), the
  numbers of those closed, and float32; the answer is a length and float32, or -length and an error text.
"""

import contextlib
import json
import os
import struct
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Any, ClassVar

import numpy as np

from workers import interrupt, registry
from workers.denoiser import BLOCK, RATE_HZ, Denoiser, Sound, blocks_at_once
from workers.errors import WorkerFailed
from workers.extra_python import runner
from workers.pdeathsig import leave_with_parent
from workers.plugins.chunked import PREFIX, Chunked
from workers.root import ROOT, module_command

_HEAD, _LENGTH = struct.Struct("<III"), struct.Struct("<q")


class RemoteVoice:
    """One voice of the remote process, closed when its last reference goes."""

    def __init__(self, number: int, closed: list[int]) -> None:
        self.number = number
        weakref.finalize(self, closed.append, number)


class RemoteDenoiser:
    """Owns the process, until close() or its own end. For one thread."""

    rate_hz: ClassVar[int] = RATE_HZ
    block: ClassVar[int] = BLOCK
    latency_ms: ClassVar[float] = 0.0  # see `latency`
    latency: int
    blocks: int

    def __init__(self, name: str, options: Mapping[str, object], parts: Sequence[str], cards: bool = False) -> None:
        """name: a denoiser, or chunked:NAME.   parts: of `.venv-torch`, any of which suffices.   cards: whether it may use a GPU.

        Blocks until it is loaded. Raises WorkerFailed.
        """
        python, environment = runner(name, parts)
        if not cards:
            environment["CUDA_VISIBLE_DEVICES"] = ""  # upstream's offline model uses one by default
        what = json.dumps({"denoiser": name, "options": dict(options), "parent": os.getpid()}, default=str)
        self._name, self._count, self._closed = name, 0, list[int]()
        with contextlib.ExitStack() as undone:
            with interrupt.held():  # the child keeps Ctrl-C blocked: this process ends it
                command = module_command("workers.files.remote_denoiser", what, python=python)
                pipe = subprocess.PIPE  # not `workers.child`: sound goes both ways while it lives
                self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe)
                undone.callback(self.close)
            known = json.loads(self._pipes[1].readline() or "{}")
            if "latency" not in known:
                raise WorkerFailed(known.get("error") or f"{name}: its process ended", known.get("reason", "load"))
            undone.pop_all()
        self.latency, self.blocks = known["latency"], known["blocks"]

    @property
    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None and self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def close(self) -> None:
        """Kill the process. Idempotent."""
        self._process.kill()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):  # unsent data
                pipe.close()
        self._process.wait()

    def open(self) -> RemoteVoice:
        self._count += 1
        return RemoteVoice(self._count, self._closed)

    def clean(self, voices: Sequence[RemoteVoice], noisy: Sound) -> Sound:
        """Denoise in the remote process: float32[n, hops * 480] -> the same shape. Raises WorkerFailed."""
        to, back = self._pipes
        closed = [self._closed.pop() for _ in range(len(self._closed))]
        numbers = [*(voice.number for voice in voices), *closed]
        try:
            to.write(_HEAD.pack(len(voices), noisy.shape[1], len(closed)) + np.array(numbers, "<u4").tobytes())
            to.write(np.ascontiguousarray(noisy, "<f4").tobytes())
            to.flush()
            (length,) = _LENGTH.unpack(_read(back, _LENGTH.size))
            answer = _read(back, abs(length))
        except (OSError, EOFError) as error:
            raise WorkerFailed(f"{self._name}: its process ended", "crashed") from error
        if length < 0:
            raise WorkerFailed(f"{self._name}: {answer.decode(errors='replace')}", "crashed")
        return np.frombuffer(answer, "<f4").astype(np.float32).reshape(noisy.shape)


def made(name: str, options: Mapping[str, object]) -> Denoiser:
    """The denoiser of that name, in this process. Raises WorkerFailed."""
    return Chunked(options) if name.startswith(PREFIX) else registry.load(name)(options)


def serve(denoiser: Denoiser, asked: IO[bytes], told: IO[bytes]) -> None:
    """Answer calls until `asked` ends."""
    voices: dict[int, Any] = {}
    while head := asked.read(_HEAD.size):
        count, samples, closed = _HEAD.unpack(head)
        numbers = np.frombuffer(_read(asked, 4 * (count + closed)), "<u4").tolist()
        noisy = np.frombuffer(_read(asked, 4 * count * samples), "<f4").reshape(count, samples).copy()  # writable
        for number in numbers[count:]:
            voices.pop(number, None)
        try:
            for number in numbers[:count]:
                if number not in voices:
                    voices[number] = denoiser.open()
            clean = np.ascontiguousarray(denoiser.clean([voices[number] for number in numbers[:count]], noisy), "<f4").tobytes()
            told.write(_LENGTH.pack(len(clean)) + clean)
        except Exception as error:  # noqa: BLE001  whatever a model raises is told in words
            words = _words(error).encode()
            told.write(_LENGTH.pack(-len(words)) + words)
        told.flush()


def _read(pipe: IO[bytes], size: int) -> bytes:
    """Read exactly so many bytes. Raises EOFError."""
    found = pipe.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def main() -> int:
    what = json.loads(sys.argv[1])
    leave_with_parent(what["parent"])
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not become an answer
    try:
        denoiser = made(what["denoiser"], what["options"])
        known: dict[str, object] = {"latency": denoiser.latency, "blocks": blocks_at_once(denoiser)}
    except Exception as error:  # noqa: BLE001  whatever a model raises is told in words
        known = {"error": _words(error), "reason": getattr(error, "reason", "load")}
    told.write(json.dumps(known).encode() + b"\n")
    told.flush()
    if "error" in known:
        return 1
    serve(denoiser, sys.stdin.buffer, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
