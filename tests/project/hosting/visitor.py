"""Run beside a server that has just been started: two people register there, become friends, and one hears the other, cleaned.

`python -m tests.project.hosting.visitor URL SOUND DENOISER [CLAIM]`. Who has the claim link registers with it. Certificates are those
that SSL_CERT_FILE trusts; nothing else is let through."""

import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import numpy as np
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.support.people import PASSWORD, Person, befriend
from tests.support.sound import decode, encode, read_wav

WAITED_S = 180.0  # for weights to be fetched and their graph to be made, on a machine that is busy
HEARD = 150  # packets that are not the voice as it was sent: three seconds of it cleaned
LEAST = 0.01  # of full scale, as the root of the mean square: a voice, and no comfort noise


class Here(AbstractResolver):
    """Every name is this machine's."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=flags)]

    async def close(self) -> None:
        pass


def client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Here()), cookie_jar=aiohttp.CookieJar(unsafe=True))


async def trusted(url: str) -> None:
    """Wait until the server has a certificate that is trusted for its name."""
    async with asyncio.timeout(WAITED_S), client() as http:
        while True:
            try:
                async with http.get(url + "/healthz", raise_for_status=True):
                    return
            except aiohttp.ClientConnectorCertificateError:
                await asyncio.sleep(0.2)


async def registered(stack: AsyncExitStack, url: str, name: str, **more: str) -> Person:
    """A person with an account of their own."""
    http = await stack.enter_async_context(client())
    person = Person(name, url, http)
    await person.call("POST", "/api/register", {"username": name, "password": PASSWORD, **more}, status=201)
    return person


async def main(url: str, sound: Path, denoiser: str, claim: str) -> None:
    """Fails where one of the steps does."""
    voice = encode(read_wav(sound))
    async with AsyncExitStack() as stack, asyncio.timeout(2 * WAITED_S):
        await trusted(url)
        ada = await registered(stack, url, "ada", **({"claim": claim} if claim else {}))
        ben = await registered(stack, url, "ben")
        if claim:  # it makes an owner, who may see all accounts
            await ada.call("GET", "/api/admin/users", status=200)
        await ben.call("GET", "/api/admin/users", status=403)
        await befriend(ada, ben)
        while denoiser not in {each["name"] for each in await ada.call("GET", "/api/denoisers") if each["available"]}:
            await asyncio.sleep(0.2)
        mic, ear = await stack.enter_async_context(ada.phone()), await stack.enter_async_context(ben.phone())
        await mic.publish("ada", f"?denoise=1&denoiser={denoiser}")
        talking = asyncio.create_task(mic.talk(voice * 200))
        await ben.until("ada", timeout_s=WAITED_S, live=True, denoise_state="active")
        await ear.listen("ada", "?variant=denoised")
        while len(cleaned := [packet.payload for _, packet in ear.received if packet.payload not in set(voice)]) < HEARD:
            await ear.heard(len(ear.received) + 1)
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        loudness = float(np.sqrt(np.mean(np.square(decode(cleaned)))))
        assert loudness > LEAST, loudness
        await ada.call("POST", "/api/stream/stop")
    print(f"ben has heard ada: {len(cleaned)} packets by {denoiser}, {loudness:.3f} of full scale")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], *(sys.argv[4:] or [""])))
