"""Who speaks, and who may next. Real peers that nobody is at the other end of; time is handed in."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sfu.broadcast.services import PublishOptions
from sfu.broadcast.source import NO_MEDIA_S, SUPERSEDED, UNHEARD_S, Source, SourceCalls
from sfu.ingest.ingest import Ingest
from sfu.net.media_port import MediaSockets
from sfu.peer.peer import Peer
from sfu.tasks import BackgroundTasks
from sfu.wire.rtp import RtpPacket
from tests.sfu.broadcast.test_broadcast import VOICE, peer_on
from workers.link.ring import Packet


class Air:
    """What a broadcast is to its source: it notes what it is told."""

    def __init__(self, sockets: MediaSockets) -> None:
        self.over = asyncio.Event()
        self.forgotten: list[str] = []
        self.told: list[object] = []
        self.background = BackgroundTasks()
        self.packets: list[Packet] = []
        self.ingest = Ingest(40, self.packets.append)
        self.source = Source(
            *("a test", self.ingest, self.over),
            SourceCalls(
                *(self.forgotten.append, self.background.start),
                spoken=self.told.append,
                media=self._media,
                left=lambda: self.told.append("left"),
            ),
        )
        self._sockets = sockets

    def offer(self, title: str = "") -> Peer:
        peer = peer_on(self._sockets)
        self.source.offer(peer, PublishOptions(title=title))
        return peer

    def _media(self, packet: RtpPacket, arrival_ns: int) -> None:
        self.told.append(packet.sequence)


def speak(peer: Peer, number: int = 0) -> None:
    peer.on_rtp(VOICE._replace(sequence=number, timestamp=960 * number), time.monotonic_ns())


@pytest.fixture
async def air() -> AsyncIterator[Air]:
    async with MediaSockets(("127.0.0.1",), 0) as sockets:
        air = Air(sockets)
        yield air
        air.ingest.close()
        await air.source.close()
        await air.background.wait()


async def test_the_first_packet_follows_the_news_of_who_speaks(air: Air) -> None:
    """It is in the ingest when `spoken` has returned; those after it go the broadcast's way."""
    peer = air.offer("news")
    speak(peer)
    speak(peer, 1)
    assert air.told == [PublishOptions(title="news"), 1]
    assert air.source.peer is peer and len(air.packets) == 1


async def test_offers_without_media_are_freed(air: Air) -> None:
    """Each after its time; with the last one it is over, for nobody has spoken."""
    peers = [air.offer(), air.offer()]
    air.source.look(time.monotonic())
    assert not air.over.is_set() and not air.forgotten
    air.source.look(time.monotonic() + NO_MEDIA_S + 1)
    assert air.over.is_set() and air.forgotten == [peer.id for peer in peers]
    await air.background.wait()
    assert all(peer.closed for peer in peers)


async def test_a_reservation_that_nobody_follows_is_freed(air: Air) -> None:
    """The offer that it was made for was given up before it came here."""
    air.source.look(time.monotonic())
    assert not air.over.is_set()
    air.source.look(time.monotonic() + NO_MEDIA_S + 1)
    assert air.over.is_set()


async def test_an_offer_without_media_does_not_end_who_speaks(air: Air) -> None:
    """It is freed all the same."""
    speaking = air.offer()
    speak(speaking)
    silent = air.offer()
    air.source.look(time.monotonic() + NO_MEDIA_S + 1)
    assert not air.over.is_set() and air.forgotten == [silent.id] and air.source.peer is speaking


async def test_who_is_not_heard_has_left(air: Air) -> None:
    """After six seconds without a valid datagram, as often as it is asked; the peer stays, for it may come back."""
    peer = air.offer()
    speak(peer)
    heard_s = peer.last_heard_ns / 1e9
    air.source.look(heard_s + UNHEARD_S - 0.1)
    assert air.told == [PublishOptions()]
    air.source.look(heard_s + UNHEARD_S + 0.1)
    assert air.told == [PublishOptions(), "left"] and not peer.closed


async def test_a_standstill_is_nobodys_silence(air: Air) -> None:
    """Of who speaks, of an offer without media and of a reservation: each is judged by the time since its end."""
    peer, silent = air.offer(), air.offer()
    speak(peer)
    heard_s = peer.last_heard_ns / 1e9
    air.source.look(heard_s + 100, standstill_end_s=heard_s + 99)
    assert air.told == [PublishOptions()] and not air.forgotten
    air.source.look(heard_s + 99 + NO_MEDIA_S + 0.1, standstill_end_s=heard_s + 99)
    assert air.told[-1] == "left" and air.forgotten == [silent.id]


async def test_of_many_takeovers_the_last_are_remembered(air: Air) -> None:
    """Each closes the one before; the resources of so many answer to DELETE, older ones are forgotten."""
    peers: list[Peer] = []
    for at in range(SUPERSEDED + 3):
        peers.append(air.offer(str(at)))
        speak(peers[-1])
    assert air.told == [PublishOptions(title=str(at)) for at in range(SUPERSEDED + 3)]
    assert air.forgotten == [peers[0].id, peers[1].id]
    await air.background.wait()
    assert [peer.closed for peer in peers] == [True] * (SUPERSEDED + 2) + [False]


async def test_what_withdrawing_means(air: Air) -> None:
    """True for who speaks and for the last offer of a broadcast in which nobody has; False for any other, which is gone then."""
    first, second = air.offer(), air.offer()
    assert not air.source.withdraw(second.id) and air.forgotten == [second.id]
    speak(first)
    third = air.offer()
    assert not air.source.withdraw(third.id) and not air.source.withdraw("nobody")
    assert air.source.withdraw(first.id) and not first.closed


async def test_the_last_offer_withdrawn(air: Air) -> None:
    """Nobody is left who might speak."""
    assert air.source.withdraw(air.offer().id)
