"""`denoise.device`: where DeepFilterNet runs. torch is asked by a child, and only where there is a driver to be found."""

import asyncio
import logging

from sfu.errors import ConfigError
from web.children import ChildFailed, run_module
from workers.cuda import DRIVERS, NO_DRIVER

logger = logging.getLogger(__name__)

PATIENCE_S = 60.0  # torch is imported from a cold disk


async def device_of(wanted: str) -> str:
    """ "cpu" or "cuda", where `wanted` is one of them or "auto". Raises ConfigError for CUDA that is not there."""
    if wanted == "cpu":
        return wanted
    why_not = await _why_no_cuda()
    if why_not is None:
        return "cuda"
    if wanted == "cuda":
        raise ConfigError(f'denoise.device: "cuda" is not to be had: {why_not}; use "auto" or "cpu"')
    logger.debug("denoisers run on the CPU: %s", why_not)
    return "cpu"


async def _why_no_cuda() -> str | None:
    if not await asyncio.to_thread(lambda: any(driver.exists() for driver in DRIVERS)):
        return NO_DRIVER
    try:
        async with asyncio.timeout(PATIENCE_S):
            await run_module("workers.cuda")
    except (ChildFailed, OSError, TimeoutError) as error:
        return str(error) or f"torch did not answer in {PATIENCE_S:.0f} s"
    return None
