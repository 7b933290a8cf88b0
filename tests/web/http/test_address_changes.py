"""The machine's address changes while the server runs."""

import asyncio
from pathlib import Path

from tests.support.namespaces import run_inside


async def test_sound_goes_on_at_another_address(tmp_path: Path, models_folder: Path, stretch: float) -> None:
    """The media port follows the interfaces, answers name the addresses in force, an ICE restart brings both ends there."""
    inside = ("tests.web.address_changes", str(tmp_path), str(models_folder), str(stretch))
    assert (await asyncio.to_thread(run_inside, *inside, timeout_s=240 * stretch)).endswith("done\n")


async def test_which_names_are_asked_for(tmp_path: Path, models_folder: Path, stretch: float) -> None:
    """Those of the settings, again and again, and those by which the signed-in owner came; of a stranger's Host none is.

    What the owner came by is offered to everybody, after a restart too.
    """
    inside = ("tests.web.host_names", str(tmp_path), str(models_folder), str(stretch))
    assert (await asyncio.to_thread(run_inside, *inside, timeout_s=300 * stretch, names=tmp_path)).endswith("done\n")
