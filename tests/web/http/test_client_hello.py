"""What a TLS client asks for, read from what real clients send."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.http.test_first_byte import LOOPS
from web.http import challenges, first_byte
from web.http.challenges import Challenges
from web.http.client_hello import LONGEST, MOST_RECORDS, ClientHello, hello_in
from web.http.first_byte import peeked_hello
from web.http.tls import Tls


def said_by(name: str | None, *protocols: str) -> bytes:
    """The first message of OpenSSL as a client."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


HELLO = said_by("Voice.Example.org", "acme-tls/1")


def in_records(hello: bytes, size: int) -> bytes:
    """The same message in records of `size` bytes."""
    message = hello[5:]
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)


def test_name_and_protocols_are_read() -> None:
    assert hello_in(HELLO) == ClientHello("voice.example.org", (b"acme-tls/1",))
    assert hello_in(said_by(None, "h2", "http/1.1")) == ClientHello("", (b"h2", b"http/1.1"))
    assert hello_in(said_by("127.0.0.1")) == ClientHello("", ())
    assert hello_in(HELLO + b"\x14\x03\x03\x00\x01\x01") == hello_in(HELLO), "what follows it does not matter"


@pytest.mark.parametrize("records", [2, 3, MOST_RECORDS])
def test_a_message_in_several_records(records: int) -> None:
    assert hello_in(in_records(HELLO, -(-(len(HELLO) - 5) // records))) == hello_in(HELLO)


@pytest.mark.parametrize("size", [1, 20])
def test_a_message_in_crumbs_is_refused(size: int) -> None:
    """It is no client's, and costs more to read than to send."""
    with pytest.raises(ValueError):
        hello_in(in_records(HELLO, size))


async def test_what_has_been_looked_at_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning of a message, after which nothing comes, is read once."""
    read: list[int] = []
    monkeypatch.setattr(first_byte, "hello_in", lambda start: read.append(len(start)) or hello_in(start))
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        there.send(HELLO[:50])
        assert await peeked_hello(here, 0.2) is None
    assert read == [50]


def test_no_part_is_taken_for_the_whole() -> None:
    """More is awaited after each beginning."""
    for sent in (HELLO, in_records(HELLO, 100)):
        assert all(hello_in(sent[:length]) is None for length in range(1, len(sent)))


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x00\x16",  # an empty record
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",  # nothing in it
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff",  # longer than anything looked at
        HELLO[:5] + b"\x01" + (len(HELLO) - 9).to_bytes(3) + b"\xff" * (len(HELLO) - 9),
    ],
)
def test_what_is_no_hello(rubbish: bytes) -> None:
    with pytest.raises(ValueError):
        hello_in(rubbish)


def test_the_look_is_bounded() -> None:
    """A message that never ends is given up at LONGEST bytes."""
    endless = b"\x16\x03\x01\x00\x01\x01" + b"\x16\x03\x01\x00\x01\x00" * LONGEST
    with pytest.raises(ValueError):
        hello_in(endless[:LONGEST])


@given(st.binary(max_size=300), st.integers(0, len(HELLO) - 1))
def test_rubbish_is_refused_and_nothing_else(rubbish: bytes, at: int) -> None:
    """No input raises anything but ValueError."""
    for sent in (rubbish, b"\x16\x03\x01" + rubbish, HELLO[:at] + rubbish + HELLO[at + len(rubbish) :]):
        try:
            found = hello_in(sent)
        except ValueError:
            continue
        assert found is None or isinstance(found, ClientHello)


async def in_pieces() -> None:
    """A hello that comes in pieces is awaited, stays in the socket, and one that never ends is given up after the deadline."""
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        there.send(HELLO[:1])
        looking = asyncio.create_task(peeked_hello(here, 60.0))
        for at in range(1, len(HELLO), 150):
            await asyncio.sleep(0.02)
            assert not looking.done()
            there.send(HELLO[at : at + 150])
        assert await looking == hello_in(HELLO)
        assert here.recv(10_000) == HELLO
        there.send(HELLO[:50])
        assert await peeked_hello(here, 0.05) is None
        here.recv(10_000)
        there.send(b"GET / HTTP/1.1")
        assert await peeked_hello(here, 60.0) is None, "no hello: it is not waited for"
        here.recv(10_000)
        there.send(HELLO[:50])
        cancelled = asyncio.create_task(peeked_hello(here, 60.0))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        assert (await asyncio.gather(cancelled, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def asked_for() -> None:
    """A connection is looked at only while something is to be found, and by name and protocol."""
    shown, context = Challenges(), Tls(ssl.PROTOCOL_TLS_SERVER)
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        there.send(HELLO[:20])
        assert await shown.asked_for(here) is None, "at once, though there is but a part"
        there.send(HELLO[20:])
        shown.present("voice.example.org", context)
        assert await shown.asked_for(here) is context
        here.recv(10_000)
        for other in (said_by("live.example.org", challenges.PROTOCOL.decode()), said_by("voice.example.org", "http/1.1"), said_by(None)):
            there.send(other)
            assert await shown.asked_for(here) is None
            here.recv(10_000)
        there.send(HELLO)
        shown.clear()
        assert await shown.asked_for(here) is None


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("check", [in_pieces, asked_for])
def test_the_look_on_both_loops(loop: str, check: Callable) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(check())
