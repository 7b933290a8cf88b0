"""WHIP and WHEP line by line, as clients may rely on them, against the real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiortc import RTCCertificate

from tests.support.people import Person, befriend, friends, signed_up
from tests.support.roaming import FRAGMENT, Roamer
from tests.support.running import Server
from tests.support.softphone import Softphone, offer
from tests.support.sound import encode
from tests.support.spoken import packets_of, sound_of

SDP = "application/sdp"
CREDENTIALS = "a=ice-ufrag:fresh\r\na=ice-pwd:0123456789012345678901\r\n"
CANDIDATE = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 198.51.100.1 9 typ host\r\n"
PLAIN = {"denoise.default": "passthrough"}
StartServer = Callable[..., Awaitable[Server]]


def an_offer(direction: str = "sendonly", ufrag: str = "ufra") -> str:
    return offer(RTCCertificate.generateCertificate(), direction, 7, ufrag=ufrag, password="password-of-22-characters")


class Caller:
    """A person's raw requests: the whole answer, whatever its status."""

    def __init__(self, person: Person, headers: Mapping[str, str] | None = None) -> None:
        self.person, self.headers = person, {"Origin": person.url, **(headers or {})}

    async def ask(self, method: str, path: str, body: str | bytes | None = None, kind: str | None = SDP, **headers: str) -> "Said":
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is not None and kind is not None:
            sent["Content-Type"] = kind
        url = path if "://" in path else self.person.url + path
        async with self.person.http.request(method, url, data=body, headers=sent, allow_redirects=False) as response:
            return Said(response.status, response.headers, await response.text())


class Said:
    """A whole answer."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status, self.headers, self.text = status, headers, text

    @property
    def code(self) -> str:
        assert self.headers["Content-Type"].startswith("application/problem+json")
        return str(json.loads(self.text)["code"])


@asynccontextmanager
async def on_air(house: Server, *names: str) -> AsyncIterator[tuple[Softphone, list[Person]]]:
    """The first of the names is live; the phone that talks, and everybody."""
    packets = encode(sound_of(30.0))
    async with friends(house.url, *names) as people, people[0].phone() as mic:
        await mic.publish(names[0], "?denoise=0&record=0")
        mic.send(0, 0, packets[0])
        await people[0].until(names[0], live=True)
        talking = asyncio.create_task(mic.talk(packets[1:], first=1))
        try:
            yield mic, people
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)


@pytest.fixture
async def house(server: StartServer) -> Server:
    return await server(PLAIN)


async def test_what_an_endpoint_refuses(house: Server) -> None:
    """Types, broken and foreign SDP, unknown denoisers, large bodies, other people, other sites: each with its status and code."""
    async with friends(house.url, "ada", "ben") as (ada, ben), signed_up(house.url, "eve") as eve:
        me, stranger = Caller(ada), Caller(eve)
        refusals = [
            (await me.ask("POST", "/whip/ada", an_offer(), "text/plain"), 415, "unsupported_media_type"),
            (await me.ask("POST", "/whip/ada", an_offer(), None), 415, "unsupported_media_type"),
            (await me.ask("POST", "/whip/ada", "hello"), 422, "bad_sdp"),
            (await me.ask("POST", "/whip/ada", ""), 422, "bad_sdp"),
            (await me.ask("POST", "/whip/ada", b"\xff\x00\r\n"), 422, "bad_sdp"),
            (await me.ask("POST", "/whip/ada", an_offer("recvonly")), 422, "bad_sdp"),
            (await me.ask("POST", "/whip/ada", an_offer().replace("opus", "pcmu")), 406, "no_opus"),
            (await me.ask("POST", "/whip/ada", an_offer().replace("m=audio", "m=video")), 406, "no_opus"),
            (await me.ask("POST", "/whip/ada?denoiser=magic", an_offer()), 422, "unknown_denoiser"),
            (await me.ask("POST", "/whip/ada?denoise=perhaps", an_offer()), 422, "bad_request"),
            (await me.ask("POST", "/whip/ada?title=" + "x" * 201, an_offer()), 422, "bad_request"),
            (await me.ask("POST", "/whip/ada", an_offer() + "a=x\r\n" * 20_000), 413, "too_large"),
            (await me.ask("POST", "/whip/ben", an_offer()), 403, "not_allowed"),
            (await me.ask("POST", "/whip/ada", an_offer(), Origin="https://elsewhere.example"), 403, "bad_origin"),
            (await me.ask("POST", "/whep/ben", an_offer("recvonly")), 404, "not_live"),
            (await me.ask("POST", "/whep/nobody", an_offer("recvonly")), 404, "no_such_user"),
            (await me.ask("POST", "/whep/ben?variant=loud", an_offer("recvonly")), 422, "bad_request"),
            (await me.ask("POST", "/whep/ben", an_offer("recvonly"), "application/json"), 415, "unsupported_media_type"),
            (await stranger.ask("POST", "/whep/ada", an_offer("recvonly")), 403, "not_friends"),
            (await stranger.ask("POST", "/whip/ada", an_offer(), Authorization="Bearer wrong"), 401, "not_signed_in"),
            (await me.ask("PATCH", "/whip/ada/nothing", CREDENTIALS, FRAGMENT), 404, "not_found"),
            (await me.ask("DELETE", "/whip/ada/nothing"), 404, "not_found"),
        ]  # fmt: skip
        assert [(said.status, said.code) for said, _, _ in refusals] == [(status, code) for _, status, code in refusals]
        assert '"known": ["' in refusals[8][0].text and "passthrough" in refusals[8][0].text
        assert int(refusals[14][0].headers["Retry-After"]) >= 1
        assert not (await ben.status("ada"))["live"]


async def test_answers_of_an_endpoint(house: Server) -> None:
    """201 with Location, a strong ETag and the SDP; OPTIONS and GET for anyone; a trailing slash is like none; CORS exposes it."""
    async with friends(house.url, "ada", "ben") as (ada, _), aiohttp.ClientSession() as nobody:
        me, anyone = Caller(ada), Caller(Person("", house.url, nobody), {"Origin": "https://elsewhere.example"})
        for path in ("/whip/ada", "/whip/ada/"):
            said = await me.ask("POST", path, an_offer(), SDP + ";charset=utf-8")
            assert said.status == 201 and said.headers["Content-Type"].split(";")[0] == SDP
            assert said.headers["Location"].startswith("/whip/ada/") and said.headers["ETag"].startswith('"') and "Link" not in said.headers
            assert said.headers["Access-Control-Allow-Origin"] == "*"
            assert {"Location", "ETag", "Link"} <= set(said.headers["Access-Control-Expose-Headers"].split(", "))
            for there in (path, said.headers["Location"], said.headers["Location"] + "/"):
                for method in ("OPTIONS", "GET"):
                    told = await anyone.ask(method, there)
                    assert told.status == 204, (method, there, told.status)
                told = await anyone.ask("OPTIONS", there, Access_Control_Request_Method="PATCH")
                assert told.headers["Accept-Post"] == SDP
                assert {"GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"} == set(told.headers["Access-Control-Allow-Methods"].split(", "))
                allowed = set(told.headers["Access-Control-Allow-Headers"].split(", "))
                assert {"Authorization", "Content-Type", "If-Match"} <= allowed
            assert (await me.ask("DELETE", said.headers["Location"] + "/", If_Match='"stale"')).status == 200
            assert (await me.ask("DELETE", said.headers["Location"])).status == 404
        assert (await anyone.ask("OPTIONS", "/whep/ada/x/variant")).status == 204


async def test_trickle_and_restart(house: Server) -> None:
    """Trickle 204 with or without a tag; restart 200 with a new one, 428 without, 412 stale, `*` always; other types 415.

    One of several tags is enough; a weak one never is.
    """
    async with friends(house.url, "ada", "ben") as (ada, ben):
        me = Caller(ada)
        made = await me.ask("POST", "/whip/ada", an_offer())
        there, tag = made.headers["Location"], made.headers["ETag"]
        own = "a=ice-ufrag:ufra\r\na=ice-pwd:password-of-22-characters\r\n"
        for body in (CANDIDATE, own + CANDIDATE, own, "a=end-of-candidates\r\n"):
            assert (await me.ask("PATCH", there, body, FRAGMENT)).status == 204
            assert (await me.ask("PATCH", there + "/", body, FRAGMENT, If_Match=tag)).status == 204
            assert (await me.ask("PATCH", there, body, FRAGMENT, If_Match=f'"stale, too" , {tag}')).status == 204
            for stale in ('"stale"', "W/" + tag, f'"stale", W/{tag}', '""', f'"{tag[1:-1]},"', ","):
                assert (await me.ask("PATCH", there, body, FRAGMENT, If_Match=stale)).status == 412, stale
        assert (await me.ask("PATCH", there, CREDENTIALS, SDP)).status == 415
        assert (await me.ask("PATCH", there, "a=ice-ufrag:<>\r\na=ice-pwd:x\r\n", FRAGMENT, If_Match=tag)).status == 422
        said = await me.ask("PATCH", there, CREDENTIALS + CANDIDATE, FRAGMENT)
        assert (said.status, said.code) == (428, "precondition_required")
        for stale in ('"stale"', "W/" + tag):
            said = await me.ask("PATCH", there, CREDENTIALS, FRAGMENT, If_Match=stale)
            assert (said.status, said.code) == (412, "precondition_failed")
        tags = [tag]
        for at, match in enumerate(("*", '"*"', None, '"stale",{}')):
            body = CREDENTIALS.replace("fresh", f"fresh{at}")
            said = await me.ask("PATCH", there, body, FRAGMENT, If_Match=(match or "{}").format(tags[-1]))
            assert said.status == 200 and said.headers["Content-Type"].split(";")[0] == FRAGMENT
            assert said.headers["ETag"] not in tags and said.headers["ETag"].startswith('"')
            assert "a=ice-ufrag:" in said.text and "a=ice-pwd:" in said.text and " udp " in said.text
            tags.append(said.headers["ETag"])
        assert (await Caller(ben).ask("PATCH", there, CREDENTIALS, FRAGMENT, If_Match="*")).status == 403
        assert (await Caller(ben).ask("DELETE", there)).status == 403
        assert (await me.ask("DELETE", there)).status == 200


@pytest.mark.real_time(pair=True)
async def test_a_second_offer_takes_over(server: StartServer) -> None:
    """Same broadcast, no gap in numbers at a listener; DELETE by the one that was taken over ends nothing."""
    house = await server(PLAIN)
    async with on_air(house, "ada", "ben") as (mic, (ada, ben)):
        broadcast = (await ada.status())["broadcast"]
        async with ben.phone() as ear, ada.phone() as second:
            await ear.listen("ada", "?variant=original")
            await ear.heard(20)
            await second.publish("ada")
            assert (await ada.status())["broadcast"] == broadcast and mic.location != second.location
            packets = encode(sound_of(2.0))
            await second.talk(packets)
            assert await mic.delete() in (200, 404)
            status = await ada.status()
            assert status["live"] and status["broadcast"] == broadcast
            heard = [packet.sequence for _, packet in ear.received]
            assert heard == list(range(heard[0], heard[0] + len(heard))) and len(heard) >= 20 + 95
            assert await second.delete() == 200
            assert not (await ada.status())["live"]


@pytest.mark.real_time(pair=True)
async def test_a_page_that_leaves_does_not_silence_another(server: StartServer) -> None:
    """Parked while the voice goes on: nothing is missing at a listener, and a while later it is live again by itself."""
    house = await server(PLAIN)
    async with on_air(house, "ada", "ben") as (_, (ada, ben)):
        async with ben.phone() as ear:
            await ear.listen("ada", "?variant=original")
            await ear.heard(5)
            await ada.call("POST", "/api/stream/park", status=204)
            assert (await ada.status())["state"] == "parked"
            await ada.until("ada", state="live")
            await ear.heard(len(ear.received) + 5)
            numbers = [packet.sequence for _, packet in ear.received]
            times = [packet.timestamp for _, packet in ear.received]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and times[-1] - times[0] == 960 * (len(times) - 1)


async def test_a_listener_changes_its_variant(house: Server) -> None:
    """PUT by who made it, 204; an unknown one 422; a foreign one, a broadcaster's, or one that is gone 404."""
    async with on_air(house, "ada", "ben", "cem") as (mic, (ada, ben, cem)):
        async with ben.phone() as ear:
            await ear.listen("ada")
            me = Caller(ben)
            for variant in ("denoised", "original", "auto"):
                said = await me.ask("PUT", ear.location + "/variant", f'{{"variant": "{variant}"}}', "application/json")
                assert said.status == 204, said.text
            for body, status in (('{"variant": "loud"}', 422), ("{}", 422), ("no", 422)):
                assert (await me.ask("PUT", ear.location + "/variant", body, "application/json")).status == status
            body = '{"variant": "original"}'
            assert (await Caller(cem).ask("PUT", ear.location + "/variant", body, "application/json")).status == 404
            there = mic.location.replace("whip", "whep") + "/variant"
            assert (await Caller(ada).ask("PUT", there, body, "application/json")).status == 404
            assert await ear.delete() == 200 and await ear.delete() == 404
            assert (await me.ask("PUT", ear.location + "/variant", body, "application/json")).status == 404


async def test_a_resource_is_where_it_was_made(house: Server) -> None:
    """A token that may only listen ends and restarts no broadcast of its user by WHEP, nor one that may only publish a listening."""
    async with on_air(house, "ada", "ben") as (mic, (ada, ben)), ben.phone() as ear, aiohttp.ClientSession() as bare:
        await ear.listen("ada")
        await ear.heard(5)
        for person, scope, path in (
            (ada, "listen", mic.location.replace("/whip/", "/whep/")),
            (ben, "publish", ear.location.replace("/whep/ada", "/whip/ben")),
            (ben, "listen", ear.location.replace("/ada/", "/ben/")),
        ):
            token = (await person.call("POST", "/api/tokens", {"name": scope, "scopes": [scope]}))["token"]
            bearer = Caller(Person("", house.url, bare), {"Authorization": f"Bearer {token}"})
            assert (await bearer.ask("PATCH", path, CREDENTIALS, FRAGMENT, If_Match="*")).code == "not_found"
            assert (await bearer.ask("DELETE", path)).code == "not_found"
        await ear.heard(len(ear.received) + 5)
        assert await ear.delete() == 200 and await mic.delete() == 200


async def test_who_does_not_connect_hears_nothing(house: Server) -> None:
    """An offer that was answered is no listener yet: the status counts and names those whom the voice reaches."""
    async with on_air(house, "ada", "ben", "cem") as (_, (ada, ben, cem)):
        async with ben.phone() as ear:
            await ear.listen("ada")
            await ear.heard(1)
            for _ in range(5):
                assert (await Caller(cem).ask("POST", "/whep/ada", an_offer("recvonly"))).status == 201
            status = await ada.status()
            assert (status["listeners"], status["listener_names"]) == (1, ["ben"])


async def test_bearers(house: Server) -> None:
    """Tokens publish and listen without Origin or cookie and only with their scope; a listen link opens one door and can be revoked."""
    async with on_air(house, "ada", "ben", "cem") as (_, (ada, ben, cem)), aiohttp.ClientSession() as bare:
        await befriend(ben, cem)
        tokens = {
            scope: (await ben.call("POST", "/api/tokens", {"name": scope, "scopes": [scope]}))["token"] for scope in ("publish", "listen")
        }
        link = await ada.call("POST", "/api/listen-links", {}, status=201)
        nobody = Person("", house.url, bare)
        for secret, path, status in (
            (tokens["listen"], "/whep/ada", 201),
            (tokens["publish"], "/whep/ada", 403),
            (tokens["listen"], "/whip/ben", 403),
            (link["url"].removeprefix("/l/"), "/whep/ada", 201),
            (link["url"].removeprefix("/l/"), "/whep/ben", 403),
            (link["url"].removeprefix("/l/"), "/whip/ada", 401),
        ):
            caller = Caller(nobody, {"Authorization": f"Bearer {secret}", "Origin": "https://elsewhere.example"})
            said = await caller.ask("POST", path, an_offer("sendonly" if "whip" in path else "recvonly"))
            assert said.status == status, (path, said.status, said.text)
        async with Softphone(bare, house.url, {"Authorization": f"Bearer {link['url'].removeprefix('/l/')}"}) as ear:
            await ear.listen("ada")
            await ear.heard(10)
            assert await ear.delete() == 200
            await ada.call("DELETE", f"/api/listen-links/{link['id']}", status=204)
            said = await Caller(nobody, {"Authorization": f"Bearer {link['url'][3:]}"}).ask("POST", "/whep/ada", an_offer("recvonly"))
            assert said.status == 401


class Encoder(Softphone):
    """Offers video first, what the two have in common in the session's part (as OBS 30 does), and DTLS passive: the server has to call."""

    def _offer(self, certificate: RTCCertificate, direction: str, red: bool) -> str:
        made = super()._offer(certificate, direction, red).replace("setup:actpass", "setup:passive").replace("BUNDLE 0", "BUNDLE v 0")
        session, _, audio = made.partition("m=audio")
        common = [line for line in audio.split("\r\n") if line.startswith(("a=ice", "a=finger", "a=setup"))]
        own = [line for line in audio.split("\r\n") if line not in common]
        video = ["m=video 9 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=mid:v", "a=sendonly", "a=rtcp-mux", "a=rtpmap:96 H264/90000"]
        return session + "\r\n".join([*common, *video]) + "\r\nm=audio" + "\r\n".join(own)


@pytest.mark.real_time(pair=True)
async def test_an_encoder_that_offers_video_first(server: StartServer) -> None:
    """Its video is refused with port 0 in its place, the server takes the active part, and the voice is heard; stereo of any frame size."""
    house = await server(PLAIN)
    async with friends(house.url, "ada", "ben") as (ada, ben):
        for frame_ms in (60, 2.5):
            packets = packets_of(2.0, frame_ms, channels=2)
            samples = int(frame_ms * 48)
            async with Encoder(ada.http, house.url) as mic, ben.phone() as ear:
                await mic.publish("ada", "?denoise=0&record=0")
                lines = mic.answer.split("\r\n")
                assert [line.split()[:2] for line in lines if line.startswith("m=")] == [["m=video", "0"], ["m=audio", lines_port(lines)]]
                assert "a=setup:active" in lines and "a=group:BUNDLE 0" in lines
                mic.send(0, 0, packets[0])
                await ada.until("ada", live=True)
                await ear.listen("ada", "?variant=original")
                await mic.talk(packets[1:], first=1, samples=samples)
                await ear.heard(len(packets) - 1)
                assert [packet.payload for _, packet in ear.received] == list(packets[1:])
                assert await mic.delete() == 200


def lines_port(lines: list[str]) -> str:
    [candidate] = [line for line in lines if line.startswith("a=candidate") and " udp " in line]
    return candidate.split()[5]


async def test_a_silent_listener_is_reaped(server: StartServer) -> None:
    """15 s after its last sign of life its row is gone, and its resource with it; another one, that only answers checks, stays."""
    house = await server(PLAIN)
    async with on_air(house, "ada", "ben", "cem") as (_, (ada, ben, cem)):
        async with Roamer(ben.http, house.url) as ear, cem.phone() as other:
            await ear.listen("ada")
            await other.listen("ada")
            await ear.heard(5)
            await ear.hang_up(say_so=False)
            await asyncio.sleep(12)
            assert (await ada.status())["listeners"] == 2
            await ada.until("ada", 8, listeners=1)
            assert await ear.delete() == 404 and await other.delete() == 200
