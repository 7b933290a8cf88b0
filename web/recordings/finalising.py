"""Asks a child process to finalise a folder of a recording; what it says is the row's."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from db.on_disk import on_disk
from db.recordings import Ended
from db.tables import Recording
from workers.child import ChildFailed, run_module

logger = logging.getLogger(__name__)


async def finalised(storage: Path, recording: Recording, folder: str, *, wav: bool, floor: int) -> dict[str, Any]:
    """What `workers.recordings.finalise` says of `folder`; where it fails, what the row has, with `failed`.

    floor: bytes of the disk that a WAV leaves free. Another folder than the row's replaces others, so it has reached the disk when this
    returns. Raises OSError where the row's own folder cannot be looked after now.
    """
    try:
        wanted = [*(["--wav"] if wav else []), f"--floor={floor}"]
        said: dict[str, Any] = json.loads(await run_module("workers.recordings.finalise", storage / folder, *wanted))
        if folder != recording.folder and not said["failed"]:
            await asyncio.to_thread(on_disk, storage / folder)
            await asyncio.to_thread(on_disk, (storage / folder).parent)  # that it has this name
    except (ChildFailed, OSError, ValueError) as failure:
        if isinstance(failure, OSError) and folder == recording.folder:
            raise
        logger.error("recording %s: could not be finalised: %s", recording.id, failure)
        said = {"duration_s": recording.duration_s, "variants": recording.variants, "size_bytes": recording.size_bytes}
        said |= {"failed": "failed", "whole": True}
    return said


def ended_as(recording: Recording, said: dict[str, Any]) -> Ended:
    """What `finalised` has said, for the row."""
    was_empty = recording.stats.get("failed") == "empty"  # before another server's part came
    stats = {"failed": said["failed"]} if said["failed"] or was_empty else {}
    if merged := said.get("spans_merged"):
        stats["spans_merged"] = merged
    return Ended(said["duration_s"], said["variants"], said["size_bytes"], stats, said["spans"], said.get("denoised_share"))
