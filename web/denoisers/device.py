"""`denoise.device`: where DeepFilterNet runs. A child process asks torch, and only where a driver is found."""

import asyncio
import logging

from sfu.config.errors import ConfigError
from workers.child import ChildFailed, run
from workers.errors import WorkerFailed
from workers.models import cuda

logger = logging.getLogger(__name__)

SETTING = "denoise.device: cuda"


async def configured_device(wanted: str) -> str:
    """Return "cpu" or "cuda"; `wanted` is one of `cuda.CHOICES`. Raises ConfigError where "cuda" is not available.

    "auto" installs nothing: where there is a GPU that cannot be used, a log line says what to install.
    """
    why_not = None if wanted == "cpu" else await _why_not(wanted)
    try:
        return cuda.device_of(wanted, SETTING, why_not, logger.warning)
    except WorkerFailed as failure:
        raise ConfigError(str(failure)) from failure


async def _why_not(wanted: str) -> WorkerFailed | None:
    """Ask torch. Returns None where CUDA can be used, else NoCuda or MissingExtra."""
    try:
        command, environment = await asyncio.to_thread(cuda.question, wanted, SETTING)
        async with asyncio.timeout(cuda.PATIENCE_S):
            await run(command, environment)
    except WorkerFailed as why_not:
        return why_not
    except (ChildFailed, OSError, TimeoutError) as error:
        return cuda.NoCuda(str(error) or f"torch did not answer in {cuda.PATIENCE_S:.0f} s")
    return None
