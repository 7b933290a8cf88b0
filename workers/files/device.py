"""Where the model for a file runs, as `denoise.device` for the server."""

from collections.abc import Callable

from workers import interrupt
from workers.child import ChildFailed, run_and_wait
from workers.errors import WorkerFailed
from workers.models import cuda

SETTING = "--device cuda"


def chosen_device(wanted: str, has_model: bool, say: Callable[[str], object]) -> str:
    """Return "cpu" or "cuda", where `wanted` is one of `cuda.CHOICES`. Raises WorkerFailed where "cuda" is not available.

    has_model: whether there is a model that CUDA could run; if not, "auto" does not ask torch. say: called with a line for a person.
    """
    wanted = "cpu" if wanted == "auto" and not has_model else wanted
    return cuda.device_of(wanted, SETTING, None if wanted == "cpu" else _why_not(wanted), say)


def _why_not(wanted: str) -> WorkerFailed | None:
    """Ask torch. Returns None where CUDA can be used, else NoCuda or MissingExtra."""
    try:
        command, environment = cuda.question(wanted, SETTING)
        with interrupt.raised():
            run_and_wait(command, environment, timeout_s=cuda.PATIENCE_S)
    except WorkerFailed as why_not:
        return why_not
    except (ChildFailed, OSError) as error:  # TimeoutError too
        return cuda.NoCuda(str(error))
    return None
