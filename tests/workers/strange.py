"""Denoisers with a vice that only their process shows: they are installed as speech.py's are, and for real servers too."""

import ctypes
import importlib
import os
import signal
import time
from collections.abc import Mapping, Sequence

from workers.denoiser import Sound, VoiceState
from workers.plugins.passthrough import Passthrough

COSTLY_S = 0.0044  # of a processor, for each block of 10 ms
BURST = 4  # blocks


class Native(Passthrough):
    """Starts a thread that Python knows nothing of when it is loaded, as a library of C would, and has need of it."""

    def __init__(self, options: Mapping[str, object]) -> None:
        library, thread = ctypes.CDLL(None), ctypes.c_ulong()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the main thread
        try:
            assert library.pthread_create(ctypes.byref(thread), None, library.sleep, ctypes.c_void_p(600)) == 0
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Runtime(Native):
    """Brings ONNX Runtime besides, which may have a thread of its own."""

    def __init__(self, options: Mapping[str, object]) -> None:
        importlib.import_module("onnxruntime")
        super().__init__(options)


class Ponderous(Passthrough):
    """Cannot be forked, and loads for as long as the file `while` is there; then it raises what `raises` says, if anything."""

    @classmethod
    def forkable(cls, options: Mapping[str, object]) -> bool:
        return False

    def __init__(self, options: Mapping[str, object]) -> None:
        while os.path.exists(str(options["while"])):
            time.sleep(0.01)
        if "raises" in options:
            raise RuntimeError(options["raises"])


class Costly(Passthrough):
    """Takes nearly half a processor for a voice, in bursts: a median hop is quick, so that nobody calls it slow on a busy machine."""

    def open(self) -> VoiceState:
        return [0]

    def clean(self, voices: Sequence[VoiceState], noisy: Sound) -> Sound:
        for voice in voices:
            voice[0] += 1
            if voice[0] % BURST == 0:
                end = time.process_time() + BURST * COSTLY_S
                while time.process_time() < end:
                    pass
        return noisy.copy()
