"""Requests between nodes: what is signed is taken once, by the node that it is for; whatever else comes is refused, and counted."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from sfu.standstill import StandstillDetector
from web.errors import NodeAway
from web.http.problems import failures
from web.http.relayed import RELAYED, Relayed
from web.http.timeouts import STANDSTILL
from web.nodes import handshake, nonces, peers
from web.nodes.gate import GATE, Gate, greet, let_in
from web.nodes.nonces import Nonces
from web.nodes.peers import REFUSED, NodeClient
from web.nodes.signed_requests import CLAIM, MAC, Forged, NodeLife, Question, Sealed, check, key_of, signed

SECRET = "a secret that all nodes have, 32+"
ASKED = Relayed(node="a", client="192.0.2.7", scheme="https", host="voice.example.org", user_id=7, username="alice", grant="login:3")
ME = NodeLife("b", "boot-of-b")
KEY = key_of(SECRET, "requests")
QUESTION = Question("POST", "/whip/alice?title=a%20b", b"v=0")


def sealed(**changes: Any) -> Sealed:
    usual: dict[str, Any] = {"to": "b", "boot": ME.boot, "at_s": 100.0, "nonce": secrets.token_urlsafe(16), "relayed": ASKED}
    return Sealed(**usual | changes)


def test_what_is_signed_is_taken_as_it_is() -> None:
    """The receiver gets what the sender has said of the client."""
    headers = signed(KEY, QUESTION, sealed())
    assert check(KEY, QUESTION, headers, ME, Nonces(), 100.0) == ASKED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"to": "c"}, "receiver"),
        ({"boot": "an earlier life"}, "boot"),
        ({"at_s": 89.9}, "stale"),
        ({"at_s": 101.1}, "stale"),
        ({"relayed": msgspec.structs.replace(ASKED, node="b")}, "sender"),
    ],
)
def test_what_is_not_for_this_node_now(changes: dict[str, Any], reason: str) -> None:
    """Another receiver, an earlier boot, an old or a coming stamp, and a sender with the receiver's own name are refused."""
    headers = signed(KEY, QUESTION, sealed(**changes))
    with pytest.raises(Forged) as refused:
        check(KEY, QUESTION, headers, ME, Nonces(), 100.0)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "altered", [QUESTION._replace(method="DELETE"), QUESTION._replace(target="/whip/bob"), QUESTION._replace(body=b"v=1")]
)
def test_what_was_altered_on_its_way(altered: Question) -> None:
    """Another method, target or body than what was signed is refused."""
    headers = signed(KEY, QUESTION, sealed())
    with pytest.raises(Forged, match="signature"):
        check(KEY, altered, headers, ME, Nonces(), 100.0)


def test_the_wrong_secret() -> None:
    """A signature by another secret, or by the handshake's key, is refused, and so is an altered claim: no nonce of theirs is kept."""
    kept = Nonces()
    for key in (key_of("another secret that is long enough", "requests"), key_of(SECRET, "handshake")):
        with pytest.raises(Forged, match="signature"):
            check(KEY, QUESTION, signed(key, QUESTION, sealed()), ME, kept, 100.0)
    headers = signed(KEY, QUESTION, sealed())
    claim = json.loads(base64.urlsafe_b64decode(headers[CLAIM]))
    claim["relayed"]["username"] = "mallory"
    headers[CLAIM] = base64.urlsafe_b64encode(json.dumps(claim).encode()).decode()
    with pytest.raises(Forged, match="signature"):
        check(KEY, QUESTION, headers, ME, kept, 100.0)
    assert len(kept) == 0


def test_once_only() -> None:
    """The same request a second time is refused as long as its stamp is good, and for its age afterwards."""
    kept = Nonces()
    headers = signed(KEY, QUESTION, sealed(at_s=100.9))
    check(KEY, QUESTION, headers, ME, kept, 100.0)
    for now_s in (100.0, 105.0, 110.89):
        with pytest.raises(Forged, match="replayed"):
            check(KEY, QUESTION, headers, ME, kept, now_s)
    with pytest.raises(Forged, match="stale"):
        check(KEY, QUESTION, headers, ME, kept, 110.91)


def test_nonces_are_bounded() -> None:
    """Where no more nonces fit new requests are refused, none is forgotten early, and after ten seconds there is room again."""
    kept = Nonces(most=2)
    for _ in range(2):
        check(KEY, QUESTION, signed(KEY, QUESTION, sealed()), ME, kept, 100.0)
    with pytest.raises(Forged, match="crowded"):
        check(KEY, QUESTION, signed(KEY, QUESTION, sealed()), ME, kept, 109.0)
    check(KEY, QUESTION, signed(KEY, QUESTION, sealed(at_s=110.1)), ME, kept, 110.1)
    assert len(kept) == 1 and nonces.MOST <= 50_000


@given(st.dictionaries(st.sampled_from([CLAIM, MAC]), st.text(max_size=300)))
def test_rubbish_is_forged(headers: dict[str, str]) -> None:
    """Whatever stands in the headers is refused by `Forged`, never by another error."""
    with pytest.raises(Forged):
        check(KEY, QUESTION, headers, ME, Nonces(), 100.0)


def test_a_handshake_tells_time_and_boot() -> None:
    """Both ends prove that they know the secret; the difference of the clocks is what the stamps need."""
    sealing = handshake.answered(SECRET, ME, handshake.asking(SECRET, "a", "b", "n" * 22), 5000.0)
    learnt = handshake.learnt(SECRET, "b", "n" * 22, msgspec.json.encode(sealing), 100.0)
    assert (learnt.boot, learnt.ahead_s) == (ME.boot, 4900.0)


def test_a_handshake_with_somebody_else() -> None:
    """Another secret, an answer to an older question, an answer under another name, and rubbish are refused at either end."""
    asking = handshake.asking(SECRET, "a", "b", "n" * 22)
    for other, reason in ((handshake.asking("x" * 32, "a", "b", "n" * 22), "signature"), ({}, "unsigned")):
        with pytest.raises(Forged, match=reason):
            handshake.answered(SECRET, ME, other, 1.0)
    for me, reason in ((NodeLife("c", "boot"), "receiver"), (NodeLife("a", "boot"), "receiver")):
        with pytest.raises(Forged, match=reason):
            handshake.answered(SECRET, me, asking, 1.0)
    body = msgspec.json.encode(handshake.answered(SECRET, ME, asking, 1.0))
    for name, nonce, secret, reason in (
        ("c", "n" * 22, SECRET, "sender"),
        ("b", "m" * 22, SECRET, "replayed"),
        ("b", "n" * 22, "y" * 32, "signature"),
    ):
        with pytest.raises(Forged, match=reason):
            handshake.learnt(secret, name, nonce, body, 1.0)
    with pytest.raises(Forged, match="malformed"):
        handshake.learnt(SECRET, "b", "n" * 22, b"<html>", 1.0)


# over real connections


async def echo(request: web.Request) -> web.Response:
    """What the handler sees of a request."""
    relayed = request.get(RELAYED)
    if request.path == "/late":
        await asyncio.sleep(60)
    seen = {"remote": request.remote, "host": request.host, "scheme": request.scheme, "body": (await request.read()).decode()}
    return web.json_response(seen | {"relayed": None if relayed is None else msgspec.to_builtins(relayed)})


class NodeUnderTest:
    """A server with the gate of a node, and what has come through."""

    def __init__(self, name: str, secret: str = SECRET) -> None:
        self.name, self.secret = name, secret
        self.server: TestServer | None = None
        self.gate = Gate(NodeLife(name, "first"), secret)

    async def start(self, boot: str = "first") -> str:
        """Begin, or begin anew at the same port under another boot id."""
        port = None if self.server is None else self.server.port
        await self.stop()
        app = web.Application(middlewares=[failures, let_in])
        self.gate = app[GATE] = Gate(NodeLife(self.name, boot), self.secret)
        app[STANDSTILL] = StandstillDetector()
        app.router.add_get(handshake.PATH, greet)
        app.router.add_route("*", "/{path:.*}", echo)
        self.server = TestServer(app, host="127.0.0.1", port=port)
        await self.server.start_server()
        return self.url

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.close()

    @property
    def url(self) -> str:
        assert self.server is not None
        return str(self.server.make_url("")).rstrip("/")

    @property
    def refused(self) -> dict[str, int]:
        """How many were refused, by reason."""
        return {sample.labels["reason"]: int(sample.value) for sample in self.gate.samples() if sample.value}


@pytest.fixture
async def node() -> AsyncIterator[NodeUnderTest]:
    """Node `b`."""
    found = NodeUnderTest("b")
    await found.start()
    yield found
    await found.stop()


@asynccontextmanager
async def client_of(urls: dict[str, str], secret: str = SECRET, name: str = "a") -> AsyncIterator[NodeClient]:
    async with NodeClient(NodeLife(name, "boot-of-a"), secret, urls.get) as client:
        yield client


async def asked(client: NodeClient, node: str = "b", question: Question = QUESTION) -> dict[str, Any]:
    async with client.asked(node, question, ASKED, {"Content-Type": "application/sdp"}) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


def count(client: NodeClient, name: str) -> int:
    return next(int(sample.value) for sample in client.samples() if sample.name == f"hushcast_node_{name}_total")


async def test_the_receiver_sees_the_client_as_the_sender_has(node: NodeUnderTest) -> None:
    """Address, scheme, Host, body and identity are those that the sender has seen; one handshake serves many requests."""
    async with client_of({"b": node.url}) as client:
        for _ in range(3):
            seen = await asked(client)
        assert count(client, "handshakes") == 1
    assert seen["relayed"]["username"] == "alice" and seen["body"] == "v=0"
    assert (seen["remote"], seen["scheme"], seen["host"]) == ("192.0.2.7", "https", "voice.example.org")
    assert not node.refused


async def test_a_new_boot_is_greeted_again_once(node: NodeUnderTest) -> None:
    """After a restart of the receiver the sender shakes hands again, and the request that noticed it succeeds."""
    async with client_of({"b": node.url}) as client:
        await asked(client)
        await node.start("second")
        await asked(client)
        await asked(client)
        assert count(client, "handshakes") == 2
        assert node.refused in ({"boot": 1}, {})  # {}: the closed connection was noticed first


async def test_a_secret_that_differs(node: NodeUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """A node with another secret gets no answer, is counted, and both ends say so once."""
    async with client_of({"b": node.url}, "another secret that is long enough") as client:
        for _ in range(2):
            with pytest.raises(NodeAway):
                await asked(client)
    assert node.refused == {"signature": 2}
    assert sum("is node.secret the same everywhere?" in record.getMessage() for record in caplog.records) == 1


async def test_a_node_that_is_another_than_the_directory_says(node: NodeUnderTest) -> None:
    """Where the directory gives b's URL for c nothing is sent there but the handshake, which is refused."""
    async with client_of({"c": node.url}) as client:
        with pytest.raises(NodeAway):
            await asked(client, "c")
    assert set(node.refused) == {"receiver"}
    async with client_of({"b": node.url}, name="b") as client:
        with pytest.raises(NodeAway):
            await asked(client)
    assert set(node.refused) == {"receiver", "sender"}


async def test_an_answer_under_a_stolen_url(node: NodeUnderTest) -> None:
    """A server without the secret that answers at a node's URL is sent no request."""
    got: list[str] = []

    async def take(request: web.Request) -> web.Response:
        got.append(request.path)
        return web.json_response({"claim": "e30=", "mac": "0" * 64})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app, host="127.0.0.1") as liar, client_of({"b": str(liar.make_url("")).rstrip("/")}) as client:
        with pytest.raises(NodeAway):
            await asked(client)
    assert set(got) == {handshake.PATH}


async def test_no_answer_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that takes connections and answers nothing is away after the time limit, and at once for a while after it."""
    monkeypatch.setattr(peers, "SILENT_S", 60.0)

    async def mute(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        raise ConnectionAbortedError if request.transport is None else await _never()

    async def _never() -> Exception:
        import asyncio

        await asyncio.sleep(3600)
        return ConnectionAbortedError()

    server = TestServer(web.Application(), host="127.0.0.1")
    server.app.router.add_route("*", "/{path:.*}", mute)  # type: ignore[arg-type]
    async with server, client_of({"b": str(server.make_url("")).rstrip("/")}) as client:
        with pytest.raises(NodeAway):
            async with client.asked("b", QUESTION, ASKED, within_s=0.2):
                pass
        assert client.is_silent("b") and count(client, "requests_unanswered") == 1
        began = time.monotonic()
        with pytest.raises(NodeAway):
            await asked(client)
        assert time.monotonic() - began < 0.2  # of a limit of a second


async def test_what_may_take_longer_says_nothing_of_the_node(node: NodeUnderTest) -> None:
    """A node that is late with an errand of more than a second is asked on; so is one for which no place was free."""
    async with client_of({"b": node.url}) as client:
        await asked(client)
        with pytest.raises(NodeAway):
            async with client.asked("b", Question("GET", "/late"), ASKED, within_s=peers.ANSWER_S + 0.05):
                pass
        assert not client.is_silent("b")
        client._places = asyncio.Semaphore(0)
        with pytest.raises(NodeAway, match="Too much"):
            async with client.asked("b", QUESTION, ASKED, within_s=0.05):
                pass
        assert not client.is_silent("b") and count(client, "requests_unanswered") == 2
        async with client.asked("b", Question("GET", "/x"), ASKED, within_s=peers.READ_S) as answer:  # downloads have their own places
            assert answer.status == 200


@pytest.mark.parametrize("url", ["http://[::", "http://a:99999", "http://" + "a" * 300])
async def test_a_url_that_is_none(url: str) -> None:
    """It is a node that cannot be reached."""
    async with client_of({"b": url}) as client:
        with pytest.raises(NodeAway):
            await asked(client)


@pytest.fixture
def attacks() -> Iterator[dict[str, str]]:
    """Headers that somebody may write who has no secret."""
    yield signed(key_of("guessed secret that is long enough", "requests"), QUESTION, sealed(at_s=time.monotonic()))


async def test_outsiders_get_one_answer(node: NodeUnderTest, attacks: dict[str, str]) -> None:
    """No header, half of them, rubbish, a guess and doubled headers: the same 403 each time, and nothing reaches the handler."""
    good = signed(KEY, Question("GET", "/node/statuses"), sealed(boot="first", at_s=time.monotonic()))
    tries: list[tuple[str, Any]] = [
        ("/node/statuses", {}),
        ("/node/handshake", {}),
        ("/node/anything", {CLAIM: "x"}),
        ("/whip/alice", {CLAIM: "x", MAC: "y"}),
        ("/whip/alice", {MAC: "y"}),
        ("/whip/alice?title=a%20b", attacks),
        ("/node/statuses", [*good.items(), (MAC, good[MAC])]),
        ("/node/statuses?users=bob", good),
    ]
    documents = set()
    async with aiohttp.ClientSession() as http:
        for path, headers in tries:
            async with http.get(node.url + path, headers=headers) as answer:
                assert answer.status == 403 and REFUSED in answer.headers, path
                documents.add(await answer.text())
        async with http.get(node.url + "/node/statuses", headers=good) as answer:
            assert answer.status == 200
        async with http.get(node.url + "/node/statuses", headers=good) as answer:
            assert (answer.status, answer.headers[REFUSED]) == (403, "replayed")
            documents.add(await answer.text())
        async with http.get(node.url + "/whip/alice") as answer:  # an ordinary client
            assert (await answer.json())["relayed"] is None
    assert [json.loads(each)["code"] for each in documents] == ["not_a_node"]
    assert sum(node.refused.values()) == len(tries) + 1
