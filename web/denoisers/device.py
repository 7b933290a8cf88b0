"""`denoise.device`: where DeepFilterNet runs. A child process asks torch, and only where a driver is found."""

import asyncio
import logging

from sfu.errors import ConfigError
from workers.child import ChildFailed, run
from workers.errors import WorkerFailed
from workers.models import cuda

logger = logging.getLogger(__name__)


async def device_of(wanted: str) -> str:
    """ "cpu" or "cuda"; `wanted` is one of them or "auto". Raises ConfigError where CUDA is wanted and not available.

    "auto" installs nothing: where there is a GPU that cannot be used, a log line says what to install.
    """
    if wanted == "cpu":
        return wanted
    try:
        await _ask(wanted)
    except WorkerFailed as missing:  # torch itself
        if wanted == "cuda":
            raise ConfigError(str(missing)) from missing
        logger.warning(cuda.COULD_HAVE)
        return "cpu"
    except cuda.NoCuda as why_not:
        if wanted == "cuda":
            raise ConfigError(f'denoise.device: "cuda" is not available: {why_not}; use "auto" or "cpu"') from why_not
        logger.debug("denoisers run on the CPU: %s", why_not)
        return "cpu"
    return "cuda"


async def _ask(wanted: str) -> None:
    """Raises NoCuda, or WorkerFailed where there is no torch to ask."""
    command, environment = await asyncio.to_thread(cuda.question, wanted, "denoise.device: cuda")
    try:
        async with asyncio.timeout(cuda.PATIENCE_S):
            await run(command, environment)
    except (ChildFailed, OSError, TimeoutError) as error:
        raise cuda.NoCuda(str(error) or f"torch did not answer in {cuda.PATIENCE_S:.0f} s") from error
