"""A switch toggled every second for a minute: is anything heard of it but the noise that comes and goes?

python -m tests.bench.toggling MODELS AUDIO [SECONDS]
"""

import asyncio
import json
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np

from sfu.wire.rtp import RtpPacket
from tests.bench import places
from tests.bench.servers import started, until_available
from tests.support.people import friends
from tests.support.running import ROOT, Server
from tests.support.softphone import Softphone
from tests.support.sound import decode, encode, read_wav

SAMPLES = 960
VARIANTS = ("auto", "original", "denoised")
STARTING = 4800  # samples: of the decoder's start


async def measure(models: Path, audio: Path, seconds: float = 60.0) -> dict[str, object]:
    """missing and irregular: packets of the `auto` listener; jump: the largest step between two samples, by variant."""
    with tempfile.TemporaryDirectory() as folder:
        server = await started(Path(folder), models)
        try:
            heard, states = await _toggled(server, audio, seconds)
        finally:
            server.stop()
    packets = [packet for _, packet in heard["auto"].received]
    return {
        "seconds": seconds,
        "toggles": len(states),
        "states": sorted(set(states)),
        "missing": sum((later.sequence - earlier.sequence) & 0xFFFF != 1 for earlier, later in pairwise(packets)),
        "irregular": sum((later.timestamp - earlier.timestamp) & 0xFFFFFFFF != SAMPLES for earlier, later in pairwise(packets)),
        "denoised_share": round(_share(packets, heard["original"]), 3),
        "jump": {variant: round(_jump(phone), 4) for variant, phone in heard.items()},
    }


async def _toggled(server: Server, audio: Path, seconds: float) -> tuple[dict[str, Softphone], list[str]]:
    noisy = encode(read_wav(places.noisy(audio)))
    said = (noisy * (int(seconds * 50) // len(noisy) + 1))[: int(seconds * 50)]
    states = []
    async with AsyncExitStack() as opened:
        ada, ben = await opened.enter_async_context(friends(server.url, "ada", "ben"))
        await until_available(ada)
        mic = await opened.enter_async_context(ada.phone())
        await mic.publish("ada")
        mic.send(0, 0, said[0])
        await ada.until("ada", live=True, denoise_state="active")
        heard = {variant: await opened.enter_async_context(ben.phone()) for variant in VARIANTS}
        for variant, phone in heard.items():
            await phone.listen("ada", f"?variant={variant}")
        talking = asyncio.create_task(mic.talk(said[1:], first=1))
        for second in range(int(seconds) - 1):
            await asyncio.sleep(1)
            status = await ada.call("POST", "/api/stream/denoise", {"enabled": bool(second % 2)})
            states.append(status["denoise"]["state"])
        await talking
        await asyncio.gather(*(phone.heard(len(said) - 1) for phone in heard.values()))
    return heard, states


def _share(packets: list[RtpPacket], original: Softphone) -> float:
    """How much of `auto` was not the original packet."""
    raw = {packet.payload for _, packet in original.received}
    return sum(packet.payload not in raw for packet in packets) / len(packets)


def _jump(phone: Softphone) -> float:
    sound = decode([packet.payload for _, packet in phone.received])
    return float(np.abs(np.diff(sound[STARTING:])).max())


if __name__ == "__main__":
    os.chdir(ROOT)
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60.0
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1]), Path(sys.argv[2]), seconds)), indent=2))
