"""Where the model for a file runs, as `denoise.device` for the server."""

from collections.abc import Callable

from workers import interrupt
from workers.child import ChildFailed, run_and_wait
from workers.errors import WorkerFailed
from workers.extra_python import MissingExtra
from workers.models import cuda

CHOICES = ("auto", "cpu", "cuda")


def device_of(wanted: str, has_model: bool, say: Callable[[str], object]) -> str:
    """ "cpu" or "cuda", where `wanted` is one of CHOICES. Raises WorkerFailed for CUDA that is not there.

    has_model: whether there is a model that CUDA could run; if not, "auto" does not ask torch.   say: called with a line for a person.
    """
    if wanted != "cpu" and (wanted == "cuda" or has_model):
        try:
            _ask(wanted)
            return "cuda"
        except MissingExtra:
            if wanted == "cuda":
                raise
            say(cuda.COULD_HAVE)
        except cuda.NoCuda as why_not:
            if wanted == "cuda":
                raise WorkerFailed(f"CUDA cannot be used: {why_not}; use --device auto or cpu", "no_cuda") from why_not
    return "cpu"


def _ask(wanted: str) -> None:
    """Raises NoCuda, or MissingExtra where there is no torch to ask."""
    command, environment = cuda.question(wanted, "--device cuda")
    try:
        with interrupt.raised():
            run_and_wait(command, environment, timeout_s=cuda.PATIENCE_S)
    except (ChildFailed, OSError) as error:  # TimeoutError too
        raise cuda.NoCuda(str(error)) from error
